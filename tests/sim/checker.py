"""The invariants, checked on the history of the clients and on the disks at the end."""

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

from cluster.errors import ClusterError
from cluster.gossip.merge import Presence
from cluster.model import Digest
from node.errors import RegistryError
from node.index import keys, rows
from node.index.memory import MemoryStore
from node.index.merkle import Sums
from node.index.rows import HistoryRow
from node.index.store import FAMILIES
from tests.sim.clients import read_blob
from tests.sim.disk import Disk
from tests.sim.history import Op
from tests.sim.machine import Machine
from tests.sim.model import Model
from tests.sim.plan import WRITES

if TYPE_CHECKING:
    from tests.sim.world import World

LOCAL_FAMILIES = frozenset({"meta", "log", "floor", "uploads"})
"""What a node keeps for itself; everything else is the same everywhere."""

TASKS_PER_LINK = 16
TASKS_MAX = 40

UNNOTICED_S = 8.0
"""How long the loss of a disk may go unnoticed: a few greetings."""

LINKED_S = 10.0
"""In which every link is up again: the longest back-off, and a dial."""


def differences(one: Disk, other: Disk) -> list[str]:
    """The families in which two indexes differ."""
    return [
        family
        for family in FAMILIES
        if family not in LOCAL_FAMILIES and one.families[family] != other.families[family]
    ]


async def check(world: "World") -> list[str]:
    """Everything that can be said once the cluster has healed."""
    found = list(_convergence(world))
    found += _acknowledged(world)
    found += _against_model(world)
    found += _reads(world)
    found += _final_manifests(world)
    found += _final_tags(world)
    found += _sums(world)
    found += _bounds(world)
    found += world.slow
    found += world.census.violations
    found += await _contents(world)
    return found


def bugs(world: "World") -> list[str]:
    """What should not happen in any world."""
    told = [f"{f['message']}: {f.get('exception')!r}" for f in world.loop.failures]
    return [f"bug: {text}" for text in [*told, *world.network.bugs]] + world.observer.violations


def _convergence(world: "World") -> Iterable[str]:
    if world.converged_s is not None:
        return
    first = world.machines[0]
    for machine in world.machines:
        families = differences(first.disk, machine.disk)
        if not machine.ready or families:
            why = f"; {machine.stopped_by}" if machine.stopped_by else ""
            state = f"{machine.address} ready={machine.ready} {families}{why}"
            yield f"not identical after heal: {state}"


# --- writes --------------------------------------------------------------------------------------


def _writes(world: "World") -> list[Op]:
    return [op for op in world.clients.history if op.kind in WRITES]


def _excused(world: "World", op: Op) -> bool:
    """
    The node said that too few others have it, and the only disks that had it, or one of its blobs,
    are gone since.
    """
    since = op.start - UNNOTICED_S
    gone = {address for address, at in world.wiped.items() if at > since}
    copies = [op.holders, *op.blob_holders]
    return op.degraded and any(holders and gone.issuperset(holders) for holders in copies)


def _acknowledged(world: "World") -> Iterable[str]:
    from tests.sim.world import has_durably

    for op in _writes(world):
        if op.outcome != "ok":
            continue
        enough = 1 if op.degraded else min(world.plan.copies, len(world.machines))
        for holders in (op.holders, *op.blob_holders):
            if len(holders) < enough:
                yield f"acknowledged with the copies {holders} only: {op}"
        if op.dot is None:
            yield f"acknowledged without an event: {op}"
        elif not _excused(world, op):
            lacking = [m.address for m in world.machines if not has_durably(m, op.dot)]
            if lacking:
                yield f"lost at {lacking}: {op}"
            yield from _in_history(world, op)


def _in_history(world: "World", op: Op) -> Iterable[str]:
    if op.kind == "delete_manifest":
        return
    assert op.dot is not None
    event = world.observer.events.get(op.dot)
    if event is None or event.key.collection != "tag":
        return
    key = keys.history(op.repo, op.tag, event.stamp, op.dot)
    lacking = [m.address for m in world.machines if key not in m.disk.families["history"]]
    if lacking:
        yield f"not in the history at {lacking}: {op}"


def _before(world: "World", one: Op, other: Op) -> bool:
    """Whether *other*'s node knew *one* when *other* began."""
    dot = one.dot
    return dot is not None and other.seen.get(dot.origin, 0) >= dot.seq


# --- the index against the reference -------------------------------------------------------------


def _against_model(world: "World") -> Iterable[str]:
    for machine in world.machines[: 1 if world.converged_s is not None else None]:
        known = {
            keys.read_origin(key): keys.read_u64(value)
            for key, value in machine.disk.families["vector"].items()
        }
        events = [e for e in world.observer.events.values() if e.dot.seq <= known.get(e.origin, 0)]
        model = Model(events)
        here = f"at {machine.address}"
        present = {
            (kind, tuple(keys.split(key)))
            for kind, family in (("manifest", "manifests"), ("blob", "blobs"))
            for key, row in machine.disk.families[family].items()
            if rows.decode(Presence, row).present
        }
        for kind, name in sorted(present ^ model.present):
            verb = "is there" if (kind, name) in present else "is gone"
            yield f"model: {kind} {name[0]} {name[1][:15]} {verb} {here}"
        served = _served(machine)
        for name in sorted(served.keys() | model.tags.keys()):
            if served.get(name) != model.tags.get(name):
                yield f"model: tag {name} is {served.get(name)}, not {model.tags.get(name)} {here}"
        if _history_values(machine) != {
            (name, stamp, value) for name, ws in model.history.items() for stamp, _, value in ws
        }:
            yield f"model: the tag history differs {here}"


def _served(machine: Machine) -> dict[tuple[str, str], str]:
    tagged = (keys.split(key) for key in machine.disk.families["tagged"])
    return {
        (repo, tag): digest
        for repo, digest, tag in tagged
        if keys.join(repo, digest) in machine.disk.families["manifest_bytes"]
    }


def _history_values(machine: Machine) -> set[tuple[tuple[str, str], int, str | None]]:
    found = set()
    for key, row in machine.disk.families["history"].items():
        repo, tag, rest = key.split(b"\0", 2)
        value = rows.decode(HistoryRow, row).value
        found.add(((repo.decode(), tag.decode()), keys.read_u64(rest[:8]), value))
    return found


# --- reads ---------------------------------------------------------------------------------------


def _reads(world: "World") -> Iterable[str]:
    writes = _writes(world)
    for read in world.clients.history:
        if read.outcome == "missing" and read.io_errors:
            yield f"an IO error became 'not found': {read}"
        if read.outcome == "missing" and read.kind in ("pull_tag", "delete_tag"):
            yield from _missing_tag(world, read, read.tag, writes)
        elif read.outcome == "missing" and read.kind in ("pull_digest", "delete_manifest"):
            yield from _missing_manifest(world, read, writes)
        elif read.outcome in ("ok", "missing") and read.kind == "list_tags":
            for tag in sorted({w.tag for w in writes if w.repo == read.repo} - set(read.listed)):
                yield from _missing_tag(world, read, tag, writes)
            yield from _listed(world, read, writes)
        elif read.outcome == "ok" and read.kind == "pull_tag":
            yield from _found_tag(world, read, writes)
        elif read.outcome == "ok" and read.kind == "pull_digest":
            yield from _found_manifest(world, read, writes)


def _must_be_seen(world: "World", read: Op, write: Op, *, in_region: bool) -> bool:
    """
    Whether the promise covers this read of this write: somebody has it whom the reader may ask.

    Who has it, be it the writer or another node, and wherever that is.
    """
    return (
        write.outcome == "ok"
        and write.end <= read.start
        and write.dot is not None
        and read.reaches(write.dot)
        and (write.region == read.region or not in_region)
        and not _excused(world, write)
    )


def _may_undo(world: "World", undo: Op, write: Op, read: Op) -> bool:
    """Whether *undo* may have come after *write* and before the read's answer."""
    return undo is not write and undo.start < read.end and not _before(world, undo, write)


def _of_tag(writes: list[Op], repo: str, tag: str) -> list[Op]:
    """The operations on this tag itself; deleting a manifest is about all that point to it."""
    return [w for w in writes if (w.repo, w.tag) == (repo, tag) and w.kind != "delete_manifest"]


def _missing_tag(world: "World", read: Op, tag: str, writes: list[Op]) -> Iterable[str]:
    of_tag = _of_tag(writes, read.repo, tag)
    pointing = [w for w in of_tag if w.kind in ("push", "retag")]
    # A listing answers from what its node has: the promise about it is the region's.
    in_region = read.kind == "list_tags"
    for write in pointing:
        if not _must_be_seen(world, read, write, in_region=in_region):
            continue
        later = {w.digest for w in pointing if not _before(world, w, write)} | {write.digest}
        undone = any(
            _may_undo(world, w, write, read)
            for w in writes
            if w.repo == read.repo
            and w is not read
            and (
                (w.kind == "delete_tag" and w.tag == tag and w.outcome != "missing")
                or (w.kind == "delete_manifest" and w.digest in later and w.outcome != "missing")
            )
        )
        if not undone:
            yield f"missing: {read} does not find {tag}, written by {write}"
            return


def _listed(world: "World", read: Op, writes: list[Op]) -> Iterable[str]:
    """What is listed was written in this repository, once, and is not known to be deleted."""
    if len(set(read.listed)) != len(read.listed):
        yield f"listed twice: {read} {read.listed}"
    for tag in read.listed:
        of_tag = _of_tag(writes, read.repo, tag)
        sources = [w for w in of_tag if w.kind != "delete_tag" and w.start < read.end]
        if not sources:
            yield f"listed, and nobody wrote it: {tag} in {read}"
        for delete in of_tag:
            if delete.kind != "delete_tag":
                continue
            if not _must_be_seen(world, read, delete, in_region=True):
                continue
            if all(_before(world, source, delete) for source in sources):
                yield f"deleted, and listed: {tag} in {read} after {delete}"


def _missing_manifest(world: "World", read: Op, writes: list[Op]) -> Iterable[str]:
    same = [w for w in writes if w.repo == read.repo and w.digest == read.digest and w is not read]
    deletes = [w for w in same if w.kind == "delete_manifest" and w.outcome != "missing"]
    for write in same:
        if write.kind not in ("push", "retag"):
            continue
        if not _must_be_seen(world, read, write, in_region=False):
            continue
        if not any(_may_undo(world, undo, write, read) for undo in deletes):
            yield f"missing: {read} does not find what {write} pushed"
            return


def _found_tag(world: "World", read: Op, writes: list[Op]) -> Iterable[str]:
    of_tag = _of_tag(writes, read.repo, read.tag)
    sources = [w for w in of_tag if w.digest == read.digest and w.kind in ("push", "retag")]
    if not sources:
        yield f"a value that nobody wrote: {read}"
        return
    known = [w for w in of_tag if _must_be_seen(world, read, w, in_region=True)]
    for write in known:
        if write not in sources and all(_before(world, source, write) for source in sources):
            yield f"stale: {read} after {write}"
            return
        if write.kind != "delete_tag" and all(_smaller(world, s, write) for s in sources):
            others = [w for w in writes if w.repo == read.repo and w not in (write, *sources)]
            undone = any(
                _may_undo(world, w, write, read)
                for w in others
                if (w.tag == read.tag and w.kind != "delete_manifest")
                or (w.kind == "delete_manifest" and w.digest == write.digest)
            )
            if not undone:
                yield f"the smaller of two heads: {read} after {write}"
                return


def _smaller(world: "World", one: Op, other: Op) -> bool:
    if one is other or one.dot is None or other.dot is None:
        return False
    a, b = world.observer.events.get(one.dot), world.observer.events.get(other.dot)
    if a is None or b is None or "tag" not in (a.key.collection, b.key.collection):
        return False
    return (a.stamp, a.dot) < (b.stamp, b.dot)


def _found_manifest(world: "World", read: Op, writes: list[Op]) -> Iterable[str]:
    same = [w for w in writes if w.repo == read.repo and w.digest == read.digest]
    pushes = [w for w in same if w.kind in ("push", "retag")]
    for delete in same:
        if delete.kind != "delete_manifest":
            continue
        if not _must_be_seen(world, read, delete, in_region=True):
            continue
        if all(_before(world, push, delete) for push in pushes):
            yield f"deleted, and served: {read} after {delete}"


# --- the end -------------------------------------------------------------------------------------


def _final_manifests(world: "World") -> Iterable[str]:
    writes = _writes(world)
    for digest in {w.digest for w in writes if w.kind in ("push", "retag", "delete_manifest")}:
        same = [w for w in writes if w.digest == digest]
        pushes = [w for w in same if w.kind in ("push", "retag")]
        deletes = [w for w in same if w.kind == "delete_manifest" and w.outcome != "missing"]
        for machine in world.machines:
            key = keys.join(same[0].repo, digest)
            present = key in machine.disk.families["manifest_bytes"]
            for push in pushes:
                lost = push.outcome == "ok" and not present and not _excused(world, push)
                if lost and all(_before(world, delete, push) for delete in deletes):
                    yield f"lost: the manifest of {push} is not at {machine.address}"
            for delete in deletes:
                back = delete.outcome == "ok" and present and not _excused(world, delete)
                if back and all(_before(world, push, delete) for push in pushes):
                    yield f"resurrected at {machine.address}: {delete}"


def _final_tags(world: "World") -> Iterable[str]:
    writes = _writes(world)
    served = [(machine, _served(machine)) for machine in world.machines]
    for repo, tag in {(w.repo, w.tag) for w in writes}:
        of_tag = _of_tag(writes, repo, tag)
        for machine, tags in served:
            value = tags.get((repo, tag))
            if value is None:
                continue
            sources = [w for w in of_tag if w.digest == value and w.kind in ("push", "retag")]
            for write in of_tag:
                if write.outcome != "ok" or write in sources or _excused(world, write):
                    continue
                if all(_before(world, source, write) for source in sources):
                    yield f"undone at {machine.address}: {tag} is {value[7:15]} after {write}"


def _sums(world: "World") -> Iterable[str]:
    """The partition sums that are kept are those of the rows that are there."""
    for machine in world.machines:
        store = MemoryStore()
        store._families = machine.disk.families
        if machine.ready and Sums.load(store) != Sums.recompute(store):
            yield f"sums: those kept at {machine.address} are not those of its rows"


def _bounds(world: "World") -> Iterable[str]:
    """Queues are empty once all is quiet, and no task is left over."""
    limit = TASKS_MAX + TASKS_PER_LINK * len(world.machines)
    for machine in world.machines:
        if machine.running is None:
            continue
        tasks = world.loop.tasks_of(machine.running.process)
        if tasks > limit:
            yield f"{machine.address} has {tasks} tasks, more than {limit}"
        if machine.running.writer.waiting:
            yield f"{machine.address} has changes waiting when all is quiet"


async def _contents(world: "World") -> list[str]:
    """Every blob of every manifest that is there can be read, through any node."""
    found: list[str] = []
    pushes = {op.digest: op for op in _writes(world) if op.kind == "push"}
    for number, (digest, op) in enumerate(sorted(pushes.items())):
        machine = world.machines[number % len(world.machines)]
        running = machine.running
        if running is None or not running.ready or _excused(world, op):
            continue
        if keys.join(op.repo, digest) not in machine.disk.families["manifest_bytes"]:
            continue
        for blob, data in op.blobs:
            problem = await _try_read(world, running, op.repo, Digest(blob), data)
            if problem:
                # The indexes may be alike before the last link is up again.
                await asyncio.sleep(LINKED_S)
                problem = await _try_read(world, running, op.repo, Digest(blob), data)
            if problem:
                found.append(
                    f"blob {blob[7:15]} of {op} cannot be read at {machine.address}: {problem}"
                )
    return found


async def _try_read(world: "World", running, repo, digest, data) -> str:
    done = world.loop.create_future()
    running.process.spawn(_read(running, repo, digest, data, done))
    problem: str = await done
    return problem


async def _read(running, repo, digest, data, done) -> None:
    try:
        same = await read_blob(running, repo, digest) == data
        done.set_result("" if same else "other bytes")
    except (RegistryError, ClusterError, OSError) as exc:
        done.set_result(repr(exc))
