"""Checking registers: the heads of tags against their histories, and settings."""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Final

import msgspec

from cluster.objects import Register, Version, Written
from node.fsck.report import Report
from node.index import history, keys, rows
from node.index.store import OrderedStore

_END: Final = b"\xff\xff"

Row = tuple[bytes, bytes]


class RegisterCheck:
    """One pass over histories and settings; *advance* is told the rows checked."""

    def __init__(
        self,
        store: OrderedStore,
        report: Report,
        advance: Callable[[int], None],
        may_be_deleted: Callable[[str, str], bool],
    ) -> None:
        """*may_be_deleted* tells whether a manifest of a repository may have been deleted."""
        self._may_be_deleted = may_be_deleted
        self._store = store
        self._report = report
        self._advance = advance

    def run(self) -> None:
        seen = set()
        for name, found in groupby(self._scan("history"), key=_name_of):
            seen.add(name)
            self._check_history(name, list(found))
        for family in ("tags", "histories"):
            for key, _ in self._scan(family):
                if key not in seen and (family == "histories" or self._heads(key)):
                    self._report.problem(f"{family} {keys.split(key)}", "has no history")
        for key, value in self._scan("settings"):
            self._check_setting(key, value)

    def _check_history(self, name: bytes, found: list[Row]) -> None:
        where = f"history of {keys.split(name)}"
        try:
            entries = [history.read(key, value) for key, value in found]
        except (msgspec.MsgspecError, ValueError, IndexError) as exc:
            self._report.problem(where, f"does not decode: {exc}")
            return
        self._report.checked["tag writes"] += len(entries)
        totals = history.totals_of(found[0][0], entries)
        if not history.is_trimmed(totals):
            self._report.problem(where, "is longer than it may be")
        if self._store.get("histories", name) != rows.encode(totals):
            self._report.problem(where, "has other totals than rows")
        heads = self._heads(name)
        if heads is not None:
            oldest = entries[0].version
            kept = [head for head in heads if (head.stamp, head.dot) >= (oldest.stamp, oldest.dot)]
            if not self._agree(keys.split(name)[0], kept, _heads_among(entries)):
                self._report.problem(where, "does not agree with the heads of the tag")

    def _agree(self, repository: str, heads: list[Version], expected: list[Version]) -> bool:
        """Whether what is missing went with its manifest, whose deletion is in no history."""
        missing = [head for head in expected if head not in heads]
        return all(head in expected for head in heads) and all(
            self._may_be_deleted(repository, head.value or "") for head in missing
        )

    def _heads(self, name: bytes) -> tuple[Version, ...] | None:
        row = self._store.get("tags", name)
        try:
            return () if row is None else rows.decode(Register, row).heads
        except msgspec.MsgspecError:
            return None  # told where the tags are checked

    def _check_setting(self, key: bytes, value: bytes) -> None:
        where = f"setting {keys.split(key)}"
        self._report.checked["settings"] += 1
        try:
            for head in rows.decode(Register, value).heads:
                msgspec.json.decode(head.value or "", type=dict)
        except msgspec.MsgspecError as exc:
            self._report.problem(where, f"does not decode: {exc}")

    def _scan(self, family: str) -> Iterator[Row]:
        for row in self._store.scan(family, b"", _END):
            self._advance(1)
            yield row


def _heads_among(entries: Sequence[Written]) -> list[Version]:
    """Who replaces or deletes a write is younger: of one that is kept, all who do are kept too."""
    gone = {dot for entry in entries for dot in entry.replaces}
    heads: list[Version] = []
    for version in (entry.version for entry in entries):
        if version.value is None:
            heads.clear()
        elif version.dot not in gone:
            heads.append(version)
    return sorted(heads, key=lambda head: head.dot)


def _name_of(row: Row) -> bytes:
    """The key of the tag that a row of its history belongs to."""
    key = row[0]
    return key[: key.index(b"\0", key.index(b"\0") + 1) + 1]
