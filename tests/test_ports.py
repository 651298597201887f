"""The ports: the protocols by which the parts of a node meet, and who stands behind each."""

import ast
import importlib
import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple, Protocol

import pytest

ROOT = Path(__file__).parent.parent
METHODS_MAX: Final = 8


class Contract(NamedTuple):
    """A suite that runs on each implementation of some ports."""

    ports: tuple[str, ...]
    makers: Mapping[str, str]
    """By implementation, the name in the suite that makes it."""


CONTRACTS: Final = {
    "test_blob_store.py": Contract(
        ("BlobIngest", "BlobReplica", "BlobStore", "LocalBlobs", "StagedUpload", "StagingArea"),
        {
            "FilesystemBlobs": "FilesystemBlobs",
            "FileIngest": "FilesystemBlobs",
            "MemoryBlobs": "MemoryBlobs",
            "MemoryIngest": "MemoryBlobs",
            "SimBlobs": "SimBlobs",
            "SimIngest": "SimBlobs",
        },
    ),
    "test_ordered_store.py": Contract(
        ("OrderedStore",),
        {"RocksStore": "RocksStore", "MemoryStore": "MemoryStore", "SimStore": "SimStore"},
    ),
    "test_record_replica.py": Contract(
        ("EventLog", "HolderRows", "CheckpointStore", "Retention"),
        {
            "IndexReplica": "IndexReplica",
            "TimedEvents": "TimedEvents",
            "MemoryRecords": "MemoryRecords",
        },
    ),
    "test_transport.py": Contract(
        ("EventCalls",),
        {"GrpcPeer": "GrpcTransport", "MemoryPeer": "memory.Network", "SimPeer": "SimTransport"},
    ),
    "test_lone_node.py": Contract(
        ("Gate", "BlobCopies", "LayoutFace", "PlanFace"),
        {
            "Cluster": "engine.cluster",
            "Layouts": "cluster.layouts",
            "SoloReplicator": "SoloReplicator",
            "SoloLayouts": "SoloLayouts",
        },
    ),
    "test_log.py": Contract(
        ("Log",), {"MemoryLog": "MemoryLog", "QuietLog": "QuietLog", "structlog": "get_logger"}
    ),
    "test_look.py": Contract(
        ("Look",), {"Transaction": "Transaction", "Metadata": "metadata", "Queries": "metadata"}
    ),
}

FAULTY: Final = {"FailingStore", "FullStore", "_Records", "_CodecPeer"}
"""A fake with a fault, or with a number in the place of what it counts."""

NOTHING_IN_COMMON: Final = {
    "Access": "who may do what is what its implementations differ in",
    "Departures": "the stand-in answers as a test tells it to",
    "Throttle": "one of them bounds nobody",
}
"""Ports whose implementations promise no more than their types say."""

STUBS_MAX: Final = 2
"""Methods of a port that a test stands in for by itself; who has a port of more shares a fake."""


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
    assert {name: of_it for name, of_it in found.items() if len(of_it) > METHODS_MAX} == {}


def classes() -> Iterator[ast.ClassDef]:
    """Those of a node, and those that tests share."""
    for package in ("cluster", "node", "tests/fakes", "tests/sim"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.ClassDef) and node.name not in FAULTY:
                    yield node


CLASSES: Final = {node.name: node for node in classes()}


def lineage(name: str) -> set[str]:
    """A class and its bases."""
    found, ahead = set[str](), [name]
    while ahead:
        name = ahead.pop()
        if name in CLASSES and name not in found:
            found.add(name)
            ahead += (ast.unparse(base).rpartition(".")[2] for base in CLASSES[name].bases)
    return found


def written(name: str) -> set[str]:
    """The methods of a class, its bases' included."""
    return {
        node.name
        for each in lineage(name)
        for node in CLASSES[each].body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


WIDE: Final = [
    port
    for port in ports()
    if len(methods(port)) > STUBS_MAX and port.__name__ not in NOTHING_IN_COMMON
]


@pytest.mark.parametrize("port", WIDE, ids=[port.__name__ for port in WIDE])
def test_what_has_several_implementations_has_a_contract(port: type):
    """Broken: a fake keeps other promises than a node, and tests say nothing of the node."""
    names = {each.__name__ for each in ports()}
    found = {name for name in CLASSES.keys() - names if methods(port) <= written(name)}
    found -= {base for name in found for base in lineage(name) - {name}}
    makers = {
        implementation
        for contract in CONTRACTS.values()
        if port.__name__ in contract.ports
        for implementation in contract.makers
    }
    assert len(found) < 2 or found <= makers


@pytest.mark.parametrize("suite", CONTRACTS)
def test_contracts_run_on_every_implementation(suite: str):
    text = (ROOT / "tests/contract" / suite).read_text()
    assert [name for name in CONTRACTS[suite].makers.values() if name not in text] == []
    known = {port.__name__ for port in ports()}
    assert [port for port in CONTRACTS[suite].ports if port not in known] == []
