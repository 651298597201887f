"""How much a node keeps in memory: the entries of every container that its parts reach."""

from collections import Counter, OrderedDict, deque
from collections.abc import Iterator, Mapping
from typing import Any, Final

from node.index.own import OwnBlobs
from tests.sim.machine import Running

_CONTAINERS: Final = (dict, OrderedDict, list, set, frozenset, deque, tuple)
_LEAVES: Final = frozenset({str, bytes, int, float, bool, type(None)})
_OURS: Final = ("cluster.", "node.")
_PARTS: Final = ("cluster", "index", "holdings", "registry")


def sizes(running: Running) -> Counter[str]:
    """
    Entries by the path of attributes that leads to their container, `[]` for any entry of one.

    What is on the disk is not looked at, nor the table of it, which grows with it.
    """
    found: Counter[str] = Counter()
    seen: set[int] = set()
    # Breadth first: what is reached in several ways goes by the shortest path.
    todo = deque((name, getattr(running, name)) for name in _PARTS)
    while todo:
        path, item = todo.popleft()
        if id(item) in seen or item is None or isinstance(item, OwnBlobs):
            continue
        seen.add(id(item))
        if isinstance(item, _CONTAINERS) and not hasattr(item, "_fields"):
            found[path] += len(item)
            inside = f"{path}[]"
            todo.extend((inside, each) for each in _entries(item) if type(each) not in _LEAVES)
        elif callable(owner := getattr(item, "__self__", None)):
            todo.append((path, owner))
        else:
            todo.extend(
                (f"{path}.{name}", each)
                for name, each in _attributes(item)
                if type(each) not in _LEAVES
            )
    return found


def _entries(container: Any) -> Iterator[Any]:
    if isinstance(container, Mapping):
        yield from container.keys()
        yield from container.values()
    else:
        yield from container


def _attributes(item: object) -> Iterator[tuple[str, Any]]:
    kind = type(item)
    if not kind.__module__.startswith(_OURS):
        return
    yield from getattr(item, "__dict__", {}).items()
    yield from getattr(item, "_asdict", dict)().items()
    for base in kind.__mro__:
        slots = base.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if hasattr(item, name):
                yield name, getattr(item, name)
