"""The ports: the protocols by which the parts of a node meet."""

import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Protocol

ROOT = Path(__file__).parent.parent
METHODS_MAX: Final = 8

WIDER: Final = {
    "PeerService": "each call that one node may make to another: a transport carries all of them",
    "Peer": "the same from the other side, and hanging up",
}


def ports() -> Iterator[type]:
    for package in ("cluster", "node"):
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            if path.name == "__main__.py":
                continue
            module = importlib.import_module(name.removesuffix(".__init__"))
            for _, found in inspect.getmembers(module, inspect.isclass):
                if found.__module__ == module.__name__ and Protocol in found.__bases__:
                    yield found


def methods(port: type) -> set[str]:
    """Those that somebody writes who stands in for it, inherited ones included."""
    return {
        name
        for base in port.__mro__
        if Protocol in base.__bases__
        for name, value in vars(base).items()
        if inspect.isfunction(value) and not name.startswith("_")
    }


def test_ports_are_narrow():
    """Broken: who wants to stand in for one part of a node writes all of it."""
    found = {port.__name__: methods(port) for port in ports()}
    assert len(found) > 30
    assert {name for name, of_it in found.items() if len(of_it) > METHODS_MAX} == WIDER.keys()
