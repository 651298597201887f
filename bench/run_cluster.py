"""Run the benchmarks of a cluster and write CLUSTER.md beside this file."""

from pathlib import Path

from bench import (
    dead_majority,
    dead_node,
    heartbeat,
    join,
    layout,
    put_cost,
    visibility,
)
from bench.machine import describe_atoll, describe_machine

_QUESTIONS = {
    "How long does an empty node take to join?": join.run,
    "How long after a 201 do the other nodes answer the new tag?": visibility.run,
    "What does a second copy cost a manifest PUT?": put_cost.run,
    "How many bytes does a heartbeat take?": heartbeat.run,
    "How long does a change of the layout take?": layout.run,
    "What does a dead node cost those that survive it?": dead_node.run,
    "What goes on in a region without a majority?": dead_majority.run,
}


def main() -> None:
    facts = {**describe_machine(), "Atoll": describe_atoll()}
    lines = [
        "# Benchmarks of a cluster",
        "",
        "Written by `make bench-cluster`. All nodes and the clients share the machine. How each",
        "question is asked is told at the top of the module that asks it.",
        "",
        *(f"- {name}: {value}" for name, value in facts.items()),
    ]
    for question, run in _QUESTIONS.items():
        lines += ["", f"## {question} (`bench.{run.__module__.rpartition('.')[2]}`)", "", *run()]
    text = "\n".join(lines) + "\n"
    print(text)
    (Path(__file__).parent / "CLUSTER.md").write_text(text)


if __name__ == "__main__":
    main()
