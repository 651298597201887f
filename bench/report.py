"""Print the figures, and write them down for people (Markdown) and programs (JSON)."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from bench.machine import describe_machine
from bench.peers import ATOLL, ATOLL_CLUSTER, PEERS, Server, servers, versions
from bench.rounds import ROUNDS, Figure

Benchmark = Callable[[Sequence[Server], int], list[Figure]]

_HEADER: Final = (
    "question",
    "unit",
    *PEERS,
    ATOLL,
    *(f"Atoll : {peer}" for peer in PEERS),
    ATOLL_CLUSTER,
)


def main(benchmarks: Sequence[Benchmark], *, directory: Path | None = None) -> None:
    """Run benchmarks from the command line; write the report into *directory* when given."""
    parser = argparse.ArgumentParser(description="Compare Atoll with CNCF Distribution.")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="measured rounds (default: 5)")
    rounds = parser.parse_args().rounds
    if rounds < 1:
        parser.error("--rounds must be at least 1")
    begun = time.monotonic()
    facts = {**describe_machine(), **versions(), "rounds": str(rounds)}
    figures: list[Figure] = []
    for benchmark in benchmarks:
        # Fresh servers for each question: no benchmark runs on what another left behind.
        with servers() as running:
            figures += benchmark(running, rounds)
    facts["took"] = f"{time.monotonic() - begun:.0f} s"
    text = markdown(figures, facts)
    print(text)
    if directory is not None:
        (directory / "RESULTS.md").write_text(text)
        (directory / "results.json").write_text(as_json(figures, facts))
    slower = [
        f"{figure.question}: {figure.ratio_to(peer):.2f} of {peer}"
        for figure in figures
        for peer in PEERS
        if figure.ratio_to(peer) < 1
    ]
    for line in slower:
        print(f"slower: {line}", file=sys.stderr)


def markdown(figures: Sequence[Figure], facts: dict[str, str]) -> str:
    """Lay the figures out as a page."""
    lines = [
        "# Benchmark results",
        "",
        "Written by `make bench`. Rates, so more is better: medians of the rounds; a ratio is the",
        "median of the rounds' ratios, with its range. Registry and load share the machine.",
        "The last column is one node of three with two copies of everything, for information.",
        "",
        *(f"- {name}: {value}" for name, value in facts.items()),
        "",
        "| " + " | ".join(_HEADER) + " |",
        "|" + "---|" * 2 + "---:|" * (len(_HEADER) - 2),
        *(_row(figure) for figure in figures),
        "",
    ]
    return "\n".join(lines)


def as_json(figures: Sequence[Figure], facts: dict[str, str]) -> str:
    """Encode every sample, not only the medians."""
    content = {
        "facts": facts,
        "figures": [
            {
                "question": figure.question,
                "unit": figure.unit,
                "samples": figure.samples,
                "ratios": {peer: figure.ratios_to(peer) for peer in PEERS},
            }
            for figure in figures
        ],
    }
    return json.dumps(content, indent=2) + "\n"


def _row(figure: Figure) -> str:
    cells = [
        figure.question,
        figure.unit,
        *(f"{figure.median_of(peer):,.0f}" for peer in PEERS),
        f"{figure.median_of(ATOLL):,.0f}",
        *(_ratio(figure, peer) for peer in PEERS),
        f"{figure.median_of(ATOLL_CLUSTER):,.0f}",
    ]
    return "| " + " | ".join(cells) + " |"


def _ratio(figure: Figure, peer: str) -> str:
    ratios = figure.ratios_to(peer)
    return f"**{figure.ratio_to(peer):.2f}** ({min(ratios):.2f} to {max(ratios):.2f})"
