"""Print the figures, and write them down for people (Markdown) and programs (JSON)."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.machine import describe_machine
from bench.peers import ATOLL, ATOLL_CLUSTER, Server, peers, servers, versions
from bench.rounds import ROUNDS, Figure

Benchmark = Callable[[Sequence[Server], int], list[Figure]]
Section = Callable[[int], list[str]]
"""What is measured in so many rounds, and told in Markdown."""


def main(
    benchmarks: Sequence[Benchmark],
    *,
    directory: Path | None = None,
    sections: Sequence[Section] = (),
) -> None:
    """Run benchmarks from the command line; write the report into *directory* when given."""
    parser = argparse.ArgumentParser(description="Compare Atoll with CNCF Distribution.")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="measured rounds (default: 5)")
    parser.add_argument("--zot", metavar="PATH", help="compare with this zot as well")
    arguments = parser.parse_args()
    rounds, zot = arguments.rounds, arguments.zot
    if rounds < 1:
        parser.error("--rounds must be at least 1")
    begun, others = time.monotonic(), peers(zot)
    facts = {**describe_machine(), **versions(zot), "rounds": str(rounds)}
    figures: list[Figure] = []
    for benchmark in benchmarks:
        # Fresh servers for each question: no benchmark runs on what another left behind.
        with servers(zot) as running:
            figures += benchmark(running, rounds)
    more = [line for section in sections for line in (*section(rounds), "")]
    facts["took"] = f"{time.monotonic() - begun:.0f} s"
    text = "\n".join([markdown(figures, facts, others), *more])
    print(text)
    if directory is not None:
        (directory / "RESULTS.md").write_text(text)
        (directory / "results.json").write_text(as_json(figures, facts, others))
    slower = [
        f"{figure.question}: {figure.ratio_to(peer):.2f} of {peer}"
        for figure in figures
        for peer in others
        if figure.ratio_to(peer) < 1
    ]
    for line in slower:
        print(f"slower: {line}", file=sys.stderr)


def markdown(figures: Sequence[Figure], facts: dict[str, str], others: Sequence[str]) -> str:
    """Lay the figures out as a page, *others* being who Atoll is compared with."""
    ratios = [f"Atoll : {peer}" for peer in others]
    header = ("question", "unit", *others, ATOLL, *ratios, ATOLL_CLUSTER)
    lines = [
        "# Benchmark results",
        "",
        "Written by `make bench`. Rates, so more is better: medians of the rounds; a ratio is the",
        "median of the rounds' ratios, with its range. Registry and load share the machine.",
        "The last column is one node of three with two copies of everything, for information.",
        "",
        *(f"- {name}: {value}" for name, value in facts.items()),
        "",
        "| " + " | ".join(header) + " |",
        "|" + "---|" * 2 + "---:|" * (len(header) - 2),
        *(_row(figure, others) for figure in figures),
        "",
    ]
    return "\n".join(lines)


def as_json(figures: Sequence[Figure], facts: dict[str, str], others: Sequence[str]) -> str:
    """Encode every sample, not only the medians."""
    content = {
        "facts": facts,
        "figures": [
            {
                "question": figure.question,
                "unit": figure.unit,
                "samples": figure.samples,
                "ratios": {peer: figure.ratios_to(peer) for peer in others},
            }
            for figure in figures
        ],
    }
    return json.dumps(content, indent=2) + "\n"


def _row(figure: Figure, others: Sequence[str]) -> str:
    cells = [
        figure.question,
        figure.unit,
        *(f"{figure.median_of(peer):,.0f}" for peer in others),
        f"{figure.median_of(ATOLL):,.0f}",
        *(_ratio(figure, peer) for peer in others),
        f"{figure.median_of(ATOLL_CLUSTER):,.0f}",
    ]
    return "| " + " | ".join(cells) + " |"


def _ratio(figure: Figure, peer: str) -> str:
    ratios = figure.ratios_to(peer)
    return f"**{figure.ratio_to(peer):.2f}** ({min(ratios):.2f} to {max(ratios):.2f})"
