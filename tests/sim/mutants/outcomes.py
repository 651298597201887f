"""Bugs of what a write promises: what may be refused, what goes with it, what deletes it."""

from contextlib import nullcontext
from typing import Any, Final
from unittest.mock import patch

from cluster.clock import HybridClock
from cluster.replication.sources import Sources
from node.index import metadata, objects, references
from node.index.checkpoint import IndexCheckpoint
from node.index.journal import Journal, Transaction
from node.index.metadata import Metadata
from node.index.quarantine import Quarantine
from node.index.store import END, Mutation, RangeDeletion
from node.registry import push, receipt
from node.registry.push import Push
from node.registry.values import PutManifest
from tests.sim.mutants.mutant import Mutant

_named = Push._named


async def _all_is_there(self: Push, *args: Any) -> Any:
    named, _ = await _named(self, *args)
    return named, []


def _nothing(*_: Any, **__: Any) -> None:
    return None


_put = Metadata.put


async def _put_once(self: Metadata, change: Any) -> Any:
    for tag in change.tags if isinstance(change, PutManifest) else ():
        found = self.tagged(change.repository, tag)
        if (
            found is not None
            and found.digest == change.digest
            and found.event.origin == self._journal.origin
        ):
            return found.event
    return await _put(self, change)


_part = IndexCheckpoint.part


def _part_without(family: str) -> Any:
    def part(self: IndexCheckpoint, after: bytes) -> Any:
        self._snapshot._families[family].clear()  # type: ignore[attr-defined]
        return _part(self, after)

    return part


_trim = Journal.trim


def _trim_quarantine(self: Journal, upto: Any) -> None:
    _trim(self, upto)
    self.store.write([RangeDeletion("quarantine", b"", END)])


_forget_deletions = objects.forget_deletions


def _forget_in_spite_of_it(journal: Journal, *args: Any) -> Any:
    with patch.object(journal, "quarantine", Quarantine()):
        return _forget_deletions(journal, *args)


_retry = objects.retry


def _retry_and_keep_the_reason(journal: Journal) -> None:
    before = list(journal.store.scan("quarantine", b"", END))
    _retry(journal)
    still = {key for key, _ in journal.store.scan("quarantine", b"", END)}
    journal.store.write([Mutation("quarantine", *row) for row in before if row[0] in still])


_next = Sources.next


def _first_only(self: Sources) -> Any:
    return None if self._tries else _next(self)


MUTANTS: Final = [
    Mutant(
        "refused-though-logged",
        "what nobody confirmed in time is refused as if nothing had changed",
        [
            (receipt, "logged", lambda _: nullcontext()),
            (push, "logged", lambda _: nullcontext()),
        ],
    ),
    Mutant(
        "same-again-logs-nothing",
        "a push of what is there already is answered by the event of the earlier one",
        [(Metadata, "put", _put_once)],
    ),
    Mutant(
        "stamps-unheeded",
        "an event is stamped however far the clock has been set since a member was heard",
        [(HybridClock, "heed", _nothing)],
        frozenset({"clock_jump"}),
    ),
    Mutant(
        "untagging-forgotten",
        "a manifest that is deleted stays among the heads of its tags",
        [(objects, "_untag", _nothing)],
    ),
    Mutant(
        "deletions-not-sent",
        "a checkpoint comes without the deletions that older pushes have yet to meet",
        [(IndexCheckpoint, "part", _part_without("deletions"))],
        frozenset({"trimmed"}),
    ),
    Mutant(
        "kept-not-sent",
        "a checkpoint comes without the deleted manifests that something names",
        [(IndexCheckpoint, "part", _part_without(references.KEPT_BYTES))],
        frozenset({"trimmed"}),
    ),
    Mutant(
        "needs-unchecked",
        "a manifest may name what its repository does not have",
        [(metadata, "_check_needs", lambda *_: ((), True)), (Push, "_named", _all_is_there)],
        frozenset({"trimmed"}),
    ),
    Mutant(
        "quarantine-not-sent",
        "a checkpoint comes without what its giver cannot read",
        [(IndexCheckpoint, "part", _part_without("quarantine"))],
        frozenset({"older"}),
    ),
    Mutant(
        "quarantine-trimmed",
        "what cannot be read is forgotten with the log",
        [(Journal, "trim", _trim_quarantine)],
        frozenset({"older"}),
    ),
    Mutant(
        "quarantine-not-retried",
        "what could not be read is not applied after an upgrade",
        [(objects, "retry", _nothing)],
        frozenset({"older"}),
    ),
    Mutant(
        "reason-of-another-version",
        "what an upgrade cannot apply either stays in quarantine for the earlier version's reason",
        [(objects, "retry", _retry_and_keep_the_reason)],
        frozenset({"older"}),
    ),
    Mutant(
        "seen-in-quarantine",
        "what cannot be read counts as applied",
        [(Transaction, "seen", Transaction.has)],
        frozenset({"older"}),
    ),
    Mutant(
        "deletions-meet-no-quarantine",
        "a deletion is forgotten though an older push may be among what cannot be read",
        [(objects, "forget_deletions", _forget_in_spite_of_it)],
        frozenset({"older"}),
    ),
    Mutant(
        "one-source-only",
        "a blob is fetched from the best of its holders, or not at all",
        [(Sources, "next", _first_only)],
    ),
]
