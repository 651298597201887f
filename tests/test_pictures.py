"""The pictures of imports in docs/ARCHITECTURE.md, drawn anew from the code and compared."""

import re
from collections.abc import Callable
from graphlib import TopologicalSorter

from tests.test_architecture import ROOT, imports, modules, within

PICTURES = (ROOT / "docs/ARCHITECTURE.md").read_text().partition("\n## What imports what\n")[2]
NODE_PICTURE, CLUSTER_PICTURE = (
    block.partition("```")[0] for block in PICTURES.partition("\n## ")[0].split("```mermaid")[1:]
)

Graph = dict[str, set[str]]


def drawn(picture: str) -> Graph:
    found: Graph = {}
    for importer, imported in re.findall(r"^ +(\w+) --> (.+)$", picture, re.MULTILINE):
        found.setdefault(importer, set()).update(imported.split(" & "))
    return found


def without_shortcuts(graph: Graph) -> Graph:
    """
    *graph* without the edges beside which there is a longer way.

    Raises:
        CycleError: there is a circle.
    """
    behind: Graph = {}
    kept: Graph = {}
    for name in TopologicalSorter(graph).static_order():
        direct = graph.get(name, set())
        indirect = {far for near in direct for far in behind[near]}
        behind[name] = direct | indirect
        if direct:
            kept[name] = direct - indirect
    return kept


def packages_of(top: str, group_of: Callable[[str], str] = str) -> Graph:
    """Which packages and modules directly below *top* import which, by their groups."""
    found: Graph = {}
    for importer, imported, _ in imports():
        if within(importer, top) and within(imported, top) and imported != top:
            who, what = (group_of(name.split(".")[1]) for name in (importer, imported))
            if who != what:
                found.setdefault(who, set()).add(what)
    return found


def assert_drawn(picture: str, real: Graph) -> None:
    kept = without_shortcuts(real)
    lines = [f"    {who} --> {' & '.join(sorted(kept[who]))}" for who in reversed(kept)]
    assert drawn(picture) == kept, "\n".join(["docs/ARCHITECTURE.md is to have", *lines])


def test_the_picture_of_node_is_the_real_one():
    """Broken: a reader believes that a package does without another one, and it does not."""
    real = packages_of("node")
    del real["__main__"]  # the door
    assert_drawn(NODE_PICTURE, real)


def test_the_picture_of_the_engine_is_the_real_one():
    groups = {
        member: group
        for group, label in re.findall(r"^ +(\w+)\[\"(.+)\"\]$", CLUSTER_PICTURE, re.MULTILINE)
        for member in label.rpartition(": ")[2].split(", ")
    }
    parts = {name.split(".")[1] for name in modules() if within(name, "cluster") and "." in name}
    assert groups.keys() == {"__init__", *parts}
    assert_drawn(CLUSTER_PICTURE, packages_of("cluster", groups.__getitem__))
