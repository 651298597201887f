"""The shape of the code: which way imports point, and what is allowed to know what."""

import ast
import importlib
import inspect
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

import cluster
from cluster import errors as cluster_errors
from cluster.errors import StorageFailure
from node import errors as node_errors
from node.http.errors import WIRE
from node.identity import errors as identity_errors

ROOT = Path(__file__).parent.parent
PACKAGES = ("cluster", "node")


class Import(NamedTuple):
    importer: str
    imported: str
    line: int


def modules() -> list[str]:
    found = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return found


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def imports() -> list[Import]:
    found = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            for node in ast.walk(parsed(path)):
                if isinstance(node, ast.Import):
                    found += [Import(name, alias.name, node.lineno) for alias in node.names]
                elif isinstance(node, ast.ImportFrom) and node.module:
                    found += [
                        Import(name, f"{node.module}.{alias.name}", node.lineno)
                        for alias in node.names
                    ]
    return found


def within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


FORBIDDEN = [
    (("cluster",), ("node",), "the engine runs without a registry, and in a simulator"),
    (("cluster",), ("aiohttp", "rocksdict", "structlog"), "the engine has no HTTP and no database"),
    (
        ("cluster.control", "cluster.objects", "cluster.membership", "cluster.gossip",
         "cluster.replication", "cluster.routing", "cluster.layout", "cluster.vectors"),
        ("cluster.rpc", "grpc", "protos", "socket", "time", "random"),
        "rules do no I/O, know no wire and are given their time and chance",
    ),
    (
        ("node.registry",),
        ("node.http", "node.oci", "node.admin", "node.edge", "node.index", "node.blobs", "node.cli",
         "node.settings", "node.main", "node.assembly", "aiohttp"),
        "use cases know ports, not adapters",
    ),
    (
        ("node.identity",),
        ("node.http", "node.oci", "node.admin", "node.edge", "node.index", "node.blobs", "node.cli",
         "node.settings", "node.main", "node.assembly", "aiohttp"),
        "who may do what is known to no adapter",
    ),
    (
        ("node.index", "node.blobs"),
        ("node.http", "node.oci", "node.admin", "node.edge", "node.cli", "node.settings",
         "node.main", "node.assembly", "aiohttp"),
        "storage knows nothing of the edge",
    ),
    (
        ("node.edge", "node.http", "node.oci", "node.admin", "node.ui"),
        ("node.index", "node.blobs", "node.settings", "node.cli", "node.main", "node.assembly",
         "cluster.rpc"),
        "the edge works through the use cases",
    ),
    (
        ("node.remembered",),
        ("cluster", "node.http", "node.index", "node.registry", "aiohttp", "time", "random"),
        "when an answer may be given again is a rule: it knows neither edge nor storage",
    ),
    (
        ("node.attention",),
        ("node.http", "node.oci", "node.admin", "node.edge", "node.index", "node.blobs", "node.cli",
         "node.settings", "node.copies", "node.lifetime", "node.main", "node.assembly", "aiohttp",
         "time", "random"),
        "what needs attention is a rule: it is told the facts and the time",
    ),
    (
        ("node.desk",),
        ("node.http", "node.oci", "node.admin", "node.ui", "node.edge", "node.blobs", "node.cli",
         "node.settings", "node.main", "node.assembly", "node.lifetime", "aiohttp",
         "prometheus_client"),
        "what is shown is a value: whoever shows it is another matter",
    ),
    (
        ("node.http",),
        ("node.oci", "node.admin", "node.ui", "node.edge"),
        "HTTP knows no endpoint",
    ),
    (
        ("node.oci",),
        ("node.admin", "node.ui", "node.edge"),
        "pulls and pushes are not the operator's",
    ),
    (
        ("node.admin",),
        ("node.oci", "node.ui", "node.edge"),
        "the operator's are not pulls and pushes",
    ),
    (("node.ui",), ("node.oci", "node.admin", "node.edge"), "pages ask what handlers ask"),
    (
        ("node.settings", "node.errors", "node.shares", "node.disk"),
        ("node.http", "node.oci", "node.admin", "node.edge", "node.registry", "node.index",
         "node.blobs", "node.copies", "node.recovery", "node.lifetime", "node.main",
         "node.assembly", "node.cli"),
        "what everybody uses imports nobody",
    ),
]  # fmt: skip

HOMES = {
    "argon2": ("node.identity.passwords",),
    "joserfc": ("node.identity.signatures",),
    "grpc": ("cluster.rpc",),
    "protos": ("cluster.rpc",),
    "rocksdict": ("node.index.rocks", "node.index.rocks_options"),
    "aiohttp": ("node.http", "node.oci", "node.admin", "node.ui"),
    "jinja2": ("node.ui.renderer",),
    "markupsafe": ("node.ui.renderer",),
    "prometheus_client": ("node.admin",),
    "structlog": ("node.logs",),
    "typer": ("node.cli",),
    "rich": ("node.cli", "node.fsck"),
    "uvloop": ("node.main",),
}
"""Third-party libraries and the only places that may know them."""


@pytest.mark.parametrize(
    ("importers", "imported", "reason"), FORBIDDEN, ids=[rule[0][0] for rule in FORBIDDEN]
)
def test_imports_point_one_way(importers: tuple[str, ...], imported: tuple[str, ...], reason: str):
    wrong = [
        f"{edge.importer}:{edge.line} imports {edge.imported}"
        for edge in imports()
        if within(edge.importer, *importers) and within(edge.imported, *imported)
    ]
    assert not wrong, f"{reason}: {wrong}"


@pytest.mark.parametrize("library", HOMES)
def test_libraries_stay_at_home(library: str):
    edges = [edge for edge in imports() if within(edge.imported, library)]
    assert edges, f"{library} is used nowhere: drop it from this table and from pyproject.toml"
    wrong = [
        f"{edge.importer}:{edge.line}"
        for edge in edges
        if not within(edge.importer, *HOMES[library])
    ]
    assert not wrong, f"only {HOMES[library]} may import {library}: {wrong}"


FACES = {
    "cluster": "the engine, its configuration and its clocks",
    "cluster.model": "the words",
    "cluster.vectors": "how far logs go",
    "cluster.layout": "who should be there, and how that changes",
    "cluster.objects": "the rules by which events become objects",
    "cluster.ports": "what the engine needs from outside",
    "cluster.errors": "what may go wrong",
}
"""What `node` sees of `cluster`."""

JOINS = {"node.main", "node.assembly.listeners"}
"""The composition root joins it to the network, too."""


def test_node_sees_the_faces_of_the_engine_only():
    """Broken: a room of the engine cannot be rebuilt, as somebody in `node` lives in it."""
    wrong = []
    for edge in imports():
        module, _, name = edge.imported.rpartition(".")
        if not within(edge.importer, "node") or not within(edge.imported, "cluster"):
            continue
        if edge.importer in JOINS and within(edge.imported, "cluster.rpc"):
            continue
        offered = getattr(importlib.import_module(module), "__all__", None) if module else None
        is_face = edge.imported in FACES or (
            module in FACES and (offered is None or name in offered)
        )
        if not is_face:
            wrong.append(f"{edge.importer}:{edge.line} imports {edge.imported}")
    assert not wrong, f"not offered by {', '.join(FACES)}: {wrong}"


@pytest.mark.parametrize(
    ("asked", "unloaded"), [("cluster.model", "cluster.agent"), ("cluster.agent", "grpc")]
)
def test_faces_load_no_more_than_they_show(asked: str, unloaded: str):
    """Broken: a command that needs a digest waits for the engine to load, or for gRPC."""
    script = f"import sys, {asked}; sys.exit({unloaded!r} in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_all_that_the_engine_offers_is_there():
    assert all(getattr(cluster, name) for name in cluster.__all__)


def test_the_root_of_node_has_no_rooms():
    """Broken: a module lies beside the packages, and nothing says what it is a part of."""
    root = {path.stem for path in (ROOT / "node").glob("*.py")}
    assert root == {"__init__", "__main__", "main", "edge", "logs"}


def test_nothing_imports_main():
    importers = {edge.importer for edge in imports() if within(edge.imported, "node.main")}
    assert importers <= {"node.cli.node.serve"}, "main wires; only its command starts it"


def test_every_module_imports_alone():
    """A module that works only after another one was imported hides a cycle."""
    script = "import importlib, sys\nname = sys.argv[1]\nimportlib.import_module(name)\n"
    # Leaves first would hide cycles; each package's heaviest module in a fresh interpreter finds
    # them, and the rest is imported in the order of their names here.
    for name in ("node.main", "cluster.agent", "node.cli", "cluster.rpc.server"):
        done = subprocess.run(
            [sys.executable, "-c", script, name], cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{name} does not import alone:\n{done.stderr}"
    for name in modules():
        if name != "node.__main__":
            importlib.import_module(name)


SHOWN_BY_ITS_BASE = {"cluster.errors", "cluster.errors.layout"}
"""One tree: the package has the root, and shows the branch that hangs on it."""


def test_no_module_is_imported_by_what_it_imports():
    """Broken: neither of two modules can be understood, or used, without the other. Imports within
    functions count too: they hide a circle and do not end it."""
    known = set(modules())
    needed: dict[str, set[str]] = {}
    for importer, imported, _ in imports():
        who = importer.removesuffix(".__init__")
        what = imported if imported in known else imported.rpartition(".")[0]
        if what in known and what != who and {who, what} != SHOWN_BY_ITS_BASE:
            needed.setdefault(who, set()).add(what)
    TopologicalSorter(needed).prepare()


def domain_errors(module: object, base: type[Exception]) -> set[type[Exception]]:
    return {
        found
        for _, found in inspect.getmembers(module, inspect.isclass)
        if issubclass(found, base) and found is not base
    }


def test_every_domain_error_has_its_place_on_the_wire():
    missing = domain_errors(node_errors, node_errors.RegistryError) - set(WIRE)
    missing |= domain_errors(identity_errors, node_errors.RegistryError) - set(WIRE)
    missing |= domain_errors(node_errors, StorageFailure) - set(WIRE)
    assert not missing, f"no status and code for {missing}"
    known = domain_errors(cluster_errors, cluster_errors.ClusterError)
    assert {error for error in WIRE if within(error.__module__, "cluster")} <= known


OCI_CODES = {
    "BLOB_UNKNOWN", "BLOB_UPLOAD_INVALID", "BLOB_UPLOAD_UNKNOWN", "DIGEST_INVALID",
    "MANIFEST_BLOB_UNKNOWN", "MANIFEST_INVALID", "MANIFEST_UNKNOWN", "NAME_INVALID",
    "NAME_UNKNOWN", "SIZE_INVALID", "UNAUTHORIZED", "DENIED", "UNSUPPORTED", "TOOMANYREQUESTS",
}  # fmt: skip


def test_client_errors_use_the_codes_of_the_specification():
    wrong = {
        error.__name__: code
        for error, (status, code) in WIRE.items()
        if status < 500 and code not in OCI_CODES
    }
    assert not wrong


def test_error_trees_are_drawn_in_full():
    """The drawing at the top of each errors.py is the first thing a reader trusts."""
    for module, base in (
        (node_errors, node_errors.RegistryError),
        (node_errors, StorageFailure),
        (identity_errors, node_errors.RegistryError),
        (cluster_errors, cluster_errors.ClusterError),
        (cluster_errors.layout, cluster_errors.LayoutError),
    ):
        assert module.__doc__ is not None
        missing = {
            error.__name__
            for error in domain_errors(module, base)
            if error.__module__ == module.__name__ and f" {error.__name__} " not in module.__doc__
        }
        assert not missing, f"{module.__name__} does not draw {missing}"


SYSTEM_CALLERS = (
    "cluster.rpc.server", "node.http.filesource", "node.http.sendfile",
    "node.http.transmission", "node.assembly.listeners", "node.assembly.stores",
    "node.disk.ballast", "node.disk.datadir", "node.assembly.keyfile", "node.blobs",
    "node.cli", "node.fsck", "node.index.faults", "node.index.files", "node.logs",
    "node.recovery.former", "node.recovery.repair", "node.settings", "node.registry.ports",
    "node.ui.renderer",
)  # fmt: skip
"""Who calls the system, or takes from a caller what the system said; and ports that pass it on."""


def test_only_who_calls_the_system_knows_its_errors():
    """
    What the engine and the use cases mean by an OSError is a failing disk, and a `TimeoutError` is
    an OSError too. So the stores turn it into `StorageFailure`, and nobody behind them names it.
    """
    assert not issubclass(StorageFailure, OSError | cluster_errors.ClusterError)
    knowing = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        for found in ast.walk(parsed(path))
        if isinstance(found, ast.Name) and found.id in ("OSError", "IOError", "EnvironmentError")
    }
    assert {name for name in knowing if not within(name, *SYSTEM_CALLERS)} == set()


NOUNS_IN_ING = {"listing", "routing", "staging"}
"""Things: a listing of tags, the routing of reads, where uploads are staged."""


def test_modules_are_named_after_things():
    """Broken: "pushing" says what somebody does in a module, and not what is in it."""
    names = {part for module in modules() for part in module.split(".")}
    assert {name for name in names if name.endswith("ing")} == NOUNS_IN_ING


WORDS_OF_TWO_THINGS = {"Quarantine"}
"""Of events, and of files: each keeps what could not be used until somebody can tell."""

OWN_WORDS = ("cluster/layout",)
"""A room in which `Report`, `Live` or `Add` is another thing than elsewhere: to be renamed."""


def test_a_class_has_its_name_alone():
    """Broken: `Links`, `Event` or `Page` are two things, and each reader has to find out which."""
    named: dict[str, list[str]] = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            place = str(path.relative_to(ROOT))
            classes = [n for n in parsed(path).body if isinstance(n, ast.ClassDef)]
            for name in (found.name for found in classes if not found.name.startswith("_")):
                if not place.startswith(OWN_WORDS):
                    named.setdefault(name, []).append(place)
    twice = {name: places for name, places in named.items() if len(places) > 1}
    assert twice.keys() == WORDS_OF_TWO_THINGS, twice


def test_modules_stay_small():
    """Past 500 lines a file owns more than one idea."""
    long = {
        str(path.relative_to(ROOT)): lines
        for package in (*PACKAGES, "tests", "bench")
        for path in (ROOT / package).rglob("*.py")
        if (lines := len(path.read_text().splitlines())) > 500
    }
    assert not long


def test_nothing_is_raised_in_an_except_star_block():
    """Broken: by Python before 3.11.4, Debian 12's, it comes out as a group that nobody catches."""
    found = [
        f"{path.relative_to(ROOT)}:{inner.lineno}"
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        for block in ast.walk(parsed(path))
        if isinstance(block, ast.TryStar)
        for handler in block.handlers
        for inner in ast.walk(handler)
        if isinstance(inner, ast.Raise)
    ]
    assert found == []


CALLS_OF_GRPC = {"cluster/rpc/client.py"}
"""They are no generators: each is cancelled in a `finally`."""


def test_who_reads_a_stream_closes_it():
    """Broken: a reader that fails leaves the call, its files and its peer to the collector."""
    found = [
        f"{name}:{loop.lineno}"
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        if (name := str(path.relative_to(ROOT))) not in CALLS_OF_GRPC
        for loop in unclosed(parsed(path), frozenset())
    ]
    assert not found, "loop over a name that `async with aclosing(...)` binds"


def unclosed(node: ast.AST, closed: frozenset[str]) -> Iterator[ast.expr]:
    """What is looped over asynchronously, other than the names that *node* or its parents close."""
    if isinstance(node, ast.AsyncFunctionDef):
        closed = frozenset()
    if isinstance(node, ast.AsyncWith):
        for item in node.items:
            call = item.context_expr
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "aclosing":
                names = (*call.args, item.optional_vars)
                closed |= {name.id for name in names if isinstance(name, ast.Name)}
    loops = isinstance(node, ast.AsyncFor) or (
        isinstance(node, ast.comprehension) and node.is_async
    )
    if loops and not (isinstance(node.iter, ast.Name) and node.iter.id in closed):
        yield node.iter
    for child in ast.iter_child_nodes(node):
        yield from unclosed(child, closed)


def test_whole_engines_are_asked_in_one_place():
    """Broken: a part of the engine gets another name, and a hundred tests have to be rewritten."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sorted((ROOT / "tests/unit/cluster").rglob("*.py"))
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Attribute) and node.attr.startswith("_")
        if isinstance(node.value, ast.Attribute) and node.value.attr == "cluster"
    ]
    assert not found, "`Engine` of tests/fakes/fleet.py has a method for what tests look at"


@pytest.mark.parametrize("path", ["cluster/driver/links.py", "cluster/driver/link.py"])
def test_nobody_reaches_through_a_link_for_another_part(path: str):
    """Broken: links hold what belongs to somebody else, and everybody goes there for it."""
    shown = {
        target.attr
        for node in ast.walk(parsed(ROOT / path))
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Attribute) and not target.attr.startswith("_")
    }
    assert shown <= {"peer", "member", "node", "disk", "region", "caught_up"}
