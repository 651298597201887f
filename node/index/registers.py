"""Reading registers: tags with their heads and history, conflicts, settings."""

from collections.abc import Callable, Iterator

from cluster.model import Dot
from cluster.objects import Register, Written
from node.index import history, keys, rows
from node.index.store import SENT_FAMILIES, OrderedStore
from node.registry.ports import Page, TagName

_EMPTY = Register()

END = b"\xff"
"""Sorts behind every key that begins with a name."""


class RegisterQueries:
    """Reads of tags as registers and of settings. All raise `StorageFailure`."""

    def __init__(
        self, store: OrderedStore, check_serving: Callable[[], None] = lambda: None
    ) -> None:
        """*check_serving* raises while the objects are being replaced."""
        self._store = store
        self._check_serving = check_serving

    def tag_register(self, repository: str, tag: str) -> Register:
        return self._register("tags", repository, tag)

    def tag_history(self, repository: str, tag: str) -> list[Written]:
        prefix = keys.join(repository, tag)
        found = self._scan("history", prefix, keys.after(prefix))
        return [history.read(key, value) for key, value in found]

    def conflicts(
        self, repository: str | None, last: TagName | None, limit: int
    ) -> tuple[list[TagName], bool]:
        prefix = b"" if repository is None else keys.join(repository)
        start = prefix if last is None else keys.after(keys.join(*last))
        stop = keys.after(prefix) if prefix else END
        found: list[TagName] = []
        for key, _ in self._scan("conflicts", max(start, prefix), stop):
            if len(found) == limit:
                return found, True
            found.append(TagName(*keys.split(key)))
        return found, False

    def setting(self, kind: str, name: str) -> tuple[str, Dot] | None:
        winner = self._register("settings", kind, name).winner
        return None if winner is None or winner.value is None else (winner.value, winner.dot)

    def settings(self, kind: str, last: str, limit: int) -> Page:
        prefix = keys.join(kind)
        start = keys.after(keys.join(kind, last)) if last else prefix
        found: list[str] = []
        for key, row in self._scan("settings", start, keys.after(prefix)):
            if rows.decode(Register, row).winner is None:
                continue
            if len(found) == limit:
                return Page(found, found[-1] if found else None)
            found.append(keys.split(key)[1])
        return Page(found, None)

    def _register(self, family: str, *name: str) -> Register:
        row = self.get(family, keys.join(*name))
        return _EMPTY if row is None else rows.decode(Register, row)

    def get(self, family: str, key: bytes) -> bytes | None:
        found = self._store.get(family, key)
        self._check(family)
        return found

    def scan(self, family: str, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Every row under *prefix*, in order."""
        return self._scan(family, prefix, keys.after(prefix))

    def first(self, family: str, prefix: bytes) -> tuple[bytes, bytes] | None:
        """The first row under *prefix*."""
        return next(self.scan(family, prefix), None)

    def _scan(self, family: str, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        for row in self._store.scan(family, start, stop):
            self._check(family)
            yield row
        self._check(family)

    def _check(self, family: str) -> None:
        # After reading: had the replacement begun before, it would show now.
        if family in SENT_FAMILIES:
            self._check_serving()
