"""The invariants, checked on the history of the clients and on the disks at the end."""

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

from cluster import vectors
from cluster.errors import ClusterError, StorageFailure
from cluster.model import Consistency, Digest, Dot
from cluster.objects.merge import Presence, Register
from node.errors import RegistryError
from node.index import keys, rows
from node.index.index import owner
from node.index.merkle import Sums
from node.index.rows import HistoryRow, HolderRow
from node.index.store import END, FAMILIES
from tests.fakes.ordered_store import MemoryStore
from tests.sim.bounds import left_over
from tests.sim.clients import read_blob
from tests.sim.disk import Disk
from tests.sim.history import Op
from tests.sim.machine import Machine
from tests.sim.model import Model
from tests.sim.order import UNNOTICED_S, WITHOUT_EFFECT, before, on_tag, writes_of
from tests.sim.plan import WRITES
from tests.sim.reads import reads, recalled

if TYPE_CHECKING:
    from tests.sim.world import World

OWN_FAMILIES = frozenset(
    {
        *("meta", "deletions", "kept_named", "kept_bytes", "own", "cached", "log", "floor"),
        *("uploads", "vector"),
    }
)
"""
What a node keeps for itself; everything else is the same everywhere. Vectors are the same in what
they say: each node decides for itself which logs it retires.
"""

TASKS_PER_LINK = 16
TASKS_MAX = 40

SLOT = keys.join("slot")

QUIET_S = 40.0
"""After which nothing goes on: no call takes longer."""

LINKED_S = 10.0
"""In which every link is up again: the longest back-off, and a dial."""


def differences(one: Disk, other: Disk) -> list[str]:
    """The families in which two indexes differ."""
    found = [
        family
        for family in FAMILIES
        if family not in OWN_FAMILIES and one.families[family] != other.families[family]
    ]
    return found if vectors.same(one.vector(), other.vector()) else [*found, "vector"]


async def check(world: "World") -> list[str]:
    """Everything that can be said once the cluster has healed."""
    found = list(world.unlike)
    found += _acknowledged(world)
    found += _refused(world)
    found += _against_model(world)
    found += reads(world)
    found += _final_manifests(world)
    found += _final_tags(world)
    found += _final_referrers(world)
    found += _sums(world)
    found += _decided(world)
    found += _own_rows(world)
    found += _halves(world)
    found += world.slow
    if world.plan.identity:
        found += world.people.judge.final(world.people.tokens)
    found += await _contents(world)
    await world.until(lambda: not any(_bounds(world)), QUIET_S)
    found += _bounds(world)
    found += world.census.violations
    return found


def _decided(world: "World") -> Iterable[str]:
    """A slot of the control log has one value on all disks, that of genesis too."""
    decided: dict[int, bytes] = {}
    for machine in [*world.everyone(), *world.departed]:
        for disk in (machine.disk, *machine.lost_disks):
            for key, row in disk.families["meta"].items():
                if not key.startswith(SLOT):
                    continue
                slot = keys.read_u64(key[len(SLOT) :])
                if decided.setdefault(slot, row) != row:
                    yield f"control: slot {slot} has two values, one of them at {machine.name}"


def bugs(world: "World") -> list[str]:
    """What should not happen in any world."""
    told = [f"{f['message']}: {f.get('exception')!r}" for f in world.loop.failures]
    told = [f"bug: {text}" for text in [*told, *world.network.bugs]]
    return [*told, *world.observer.violations, *recalled(world)]


def unlike(world: "World") -> Iterable[str]:
    """Why the cluster is not one now, though it should be."""
    for op in world.waiting():
        yield f"not answered after heal: {op}"
    first = world.machines[0]
    for machine in world.machines:
        families = differences(first.disk, machine.disk)
        if not machine.ready or families:
            why = f"; {machine.stopped_by}" if machine.stopped_by else ""
            state = f"{machine.address} ready={machine.ready} {families}{why}"
            yield f"not identical after heal: {state}"


# --- writes --------------------------------------------------------------------------------------


def _are_enough(world: "World", op: Op, holders: list[str], among: set[str] | None = None) -> bool:
    """
    Whether it was on enough disks when it was acknowledged, as far as its project asks: where that
    is on all, on those *among* which it has to be.
    """
    enough = world.plan.copies
    if op.consistency is Consistency.LOCAL:
        if 1 <= len(holders) < enough:
            world.excused.note("one disk will do")
        return bool(holders)
    if op.members <= enough:
        # The survivors of so small a cluster go on (decision 17).
        enough = min(enough, len(op.connected))
        if enough <= len(holders) < world.plan.copies:
            world.excused.note("small cluster")
    wanted = op.connected if among is None else op.connected & among
    everywhere = op.consistency is not Consistency.GLOBAL or wanted <= set(holders)
    return len(holders) >= enough and everywhere


def _gone(world: "World", op: Op) -> bool:
    """
    Whether the write, or one of its blobs, may be gone with the disks that it was on.

    Only with consistency `local`, which asks for one disk. What was not acknowledged may be on any.
    """
    if op.consistency is not Consistency.LOCAL:
        return False
    lost = world.lost(op.start - UNNOTICED_S)
    if op.outcome != "ok":
        return bool(lost)
    gone = any(lost.issuperset(holders) for holders in (op.holders, *op.blob_holders))
    if gone:
        world.excused.note("gone with its disk")
    return gone


def _acknowledged(world: "World") -> Iterable[str]:
    from tests.sim.world import has_durably

    for op in writes_of(world):
        if op.outcome != "ok":
            continue
        if op.consistency is Consistency.GLOBAL and (absent := op.living - set(op.holders)):
            yield f"acknowledged without {sorted(absent)}: {op}"
        copies = [[a for a in holders if a in op.counted] for holders in op.blob_holders]
        for holders, among in ((op.holders, None), *((h, op.taking) for h in copies)):
            if not _are_enough(world, op, holders, among):
                yield f"acknowledged with the copies {holders} only: {op}"
        if op.without:
            yield f"acknowledged without what it lists at {op.without}: {op}"
        if op.dot is None:
            yield f"acknowledged without an event: {op}"
        else:
            lacking = [m.address for m in world.machines if not has_durably(m, op.dot)]
            if len(lacking) == len(world.machines) and _gone(world, op):
                continue
            if lacking:
                yield f"lost at {lacking}: {op}"
            yield from _in_history(world, op)


def _in_history(world: "World", op: Op) -> Iterable[str]:
    assert op.dot is not None
    event = world.observer.events.get(op.dot)
    if event is None or event.key.collection != "tag":
        return
    key = keys.history(op.repo, op.tag, event.stamp, op.dot)
    lacking = [
        m.address
        for m in world.machines
        if key not in m.disk.families["history"] and not _is_forgotten(world, m, op, key)
    ]
    if lacking:
        yield f"not in the history at {lacking}: {op}"


def _is_forgotten(world: "World", machine: Machine, op: Op, key: bytes) -> bool:
    """Whether as many later writes of the tag are there as are kept."""
    history, tag = machine.disk.families["history"], keys.join(op.repo, op.tag)
    later = list(history.irange(key, keys.after(tag), inclusive=(False, False)))
    forgotten = len(later) >= world.plan.history_max
    if forgotten:
        world.excused.note("elder of the history")
    return forgotten


def _refused(world: "World") -> Iterable[str]:
    """Who says that nothing has changed has logged nothing; and no two writes share an event."""
    told: dict[Dot, Op] = {}
    for op in world.clients.history:
        if op.outcome in WITHOUT_EFFECT and op.dots:
            yield f"logged, and said to have changed nothing: {op}"
        if op.kind in WRITES and op.outcome == "ok" and op.dot is not None:
            other = told.setdefault(op.dot, op)
            if other is not op:
                yield f"acknowledged with the event of another write: {op} and {other}"


# --- the index against the reference -------------------------------------------------------------


def _against_model(world: "World") -> Iterable[str]:
    first, *others = world.machines
    model, alike = _model(world, first), world.identical()
    yield from _against_readable(world, first, model)
    yield from _against_rows(first, model)
    for machine in others:
        if not alike:
            model = _model(world, machine)
            yield from _against_rows(machine, model)
        yield from _against_readable(world, machine, model)


def _model(world: "World", machine: Machine) -> Model:
    known = machine.disk.vector()
    events = [
        event
        for event in world.observer.events.values()
        if event.dot.seq <= machine.disk.reached(known, event.origin)
    ]
    return Model(events, world.plan.history_max)


def _against_rows(machine: Machine, model: Model) -> Iterable[str]:
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


def _against_readable(world: "World", machine: Machine, model: Model) -> Iterable[str]:
    """What the node says that can be read by its digest."""
    if machine.running is None or not machine.ready:
        return
    index, readable = machine.running.index.metadata, model.readable
    named = {("blob", (op.repo, digest)) for op in writes_of(world) for digest, _ in op.blobs}
    named |= {("manifest", (op.repo, op.digest)) for op in writes_of(world) if op.puts}
    for kind, name in sorted(named | readable):
        repo, digest = name[0], Digest(name[1])
        if kind == "blob":
            found = index.blob(repo, digest) is not None
        else:
            record = index.manifest(repo, digest)
            found = record is not None
            if record is not None and not digest.matches(record.body):
                yield f"model: other bytes of {digest[:15]} at {machine.address}"
        if found is not ((kind, name) in readable):
            verb = "can be read" if found else "cannot be read"
            yield f"model: {kind} {repo} {digest[:15]} {verb} at {machine.address}"


def _served(machine: Machine) -> dict[tuple[str, str], str]:
    found = {}
    for key, row in machine.disk.families["tags"].items():
        repo, tag = keys.split(key)
        winner = rows.decode(Register, row).winner
        value = None if winner is None else winner.value
        if value and keys.join(repo, value) in machine.disk.families["manifest_bytes"]:
            found[repo, tag] = value
    return found


def _history_values(machine: Machine) -> set[tuple[tuple[str, str], int, str | None]]:
    found = set()
    for key, row in machine.disk.families["history"].items():
        repo, tag, rest = key.split(b"\0", 2)
        value = rows.decode(HistoryRow, row).value
        found.add(((repo.decode(), tag.decode()), keys.read_u64(rest[:8]), value))
    return found


# --- the end -------------------------------------------------------------------------------------


def _final_manifests(world: "World") -> Iterable[str]:
    writes = writes_of(world)
    for digest in {w.digest for w in writes if w.puts or w.kind == "delete_manifest"}:
        same = [w for w in writes if w.digest == digest]
        pushes = [w for w in same if w.puts]
        deletes = [w for w in same if w.kind == "delete_manifest"]
        for machine in world.machines:
            key = keys.join(same[0].repo, digest)
            present = key in machine.disk.families["manifest_bytes"]
            for push in pushes:
                lost = push.outcome == "ok" and not present and not _gone(world, push)
                if lost and all(before(delete, push) for delete in deletes):
                    yield f"lost: the manifest of {push} is not at {machine.address}"
            for delete in deletes:
                back = delete.outcome == "ok" and present and not _gone(world, delete)
                if back and all(before(push, delete) for push in pushes):
                    yield f"resurrected at {machine.address}: {delete}"


def _final_tags(world: "World") -> Iterable[str]:
    writes = writes_of(world)
    served = [(machine, _served(machine)) for machine in world.machines]
    for repo, tag in {(w.repo, w.tag) for w in writes if w.tag}:
        of_tag = on_tag(writes, repo, tag)
        standing = _standing(world, repo, tag, writes)
        for machine, tags in served:
            value = tags.get((repo, tag))
            if value is None:
                if standing is not None:
                    yield f"lost: {tag} is not at {machine.address}: {standing}"
                continue
            sources = [w for w in of_tag if w.digest == value and w.puts]
            for write in of_tag:
                if write.outcome != "ok" or write in sources or _gone(world, write):
                    continue
                if all(before(source, write) for source in sources):
                    yield f"undone at {machine.address}: {tag} is {value[7:15]} after {write}"


def _final_referrers(world: "World") -> Iterable[str]:
    """Who refers to what is what the manifests say that are there."""
    pushes = [w for w in writes_of(world) if w.puts and w.subject]
    for machine in world.machines:
        families = machine.disk.families
        expected = {
            keys.join(w.repo, w.subject, w.digest)
            for w in pushes
            if keys.join(w.repo, w.digest) in families["manifest_bytes"]
        }
        for family in ("referrers", "referrer_types"):
            for key in sorted(expected ^ set(families[family])):
                verb = "lacks" if key in expected else "has"
                yield f"referrers: {machine.address} {verb} {keys.split(key)} in {family}"


def _standing(world: "World", repo: str, tag: str, writes: list[Op]) -> Op | None:
    """An acknowledged push of the tag that knew every delete of it, and of what it points to."""
    pushes = [w for w in on_tag(writes, repo, tag) if w.puts]
    digests = {w.digest for w in pushes}
    deletes = [
        w
        for w in writes
        if (w.kind == "delete_tag" and (w.repo, w.tag) == (repo, tag))
        or (w.kind == "delete_manifest" and w.repo == repo and w.digest in digests)
    ]
    for push in pushes:
        known = push.outcome == "ok" and all(before(delete, push) for delete in deletes)
        if known and not _gone(world, push):
            return push
    return None


def _sums(world: "World") -> Iterable[str]:
    """The partition sums that are kept are those of the rows that are there."""
    for machine in world.machines:
        store = MemoryStore()
        store._families = machine.disk.families
        if machine.ready and Sums.load(store) != Sums.recompute(store):
            yield f"sums: those kept at {machine.address} are not those of its rows"


def _own_rows(world: "World") -> Iterable[str]:
    """What each node keeps for itself of its blobs is what it has told everybody."""
    for machine in world.machines:
        store = MemoryStore()
        store._families = machine.disk.families
        told = {}
        for key, row in store.scan("holders", b"", END):
            digest, node = keys.split(key)
            if node == owner(store) and rows.decode(HolderRow, row).held:
                told[keys.join(digest)] = row
        if machine.ready and dict(store.scan("own", b"", END)) != told:
            yield f"own rows: those at {machine.address} are not those that it told"


def _halves(world: "World") -> Iterable[str]:
    """No log ends in the middle of a change, whatever became of who wrote it."""
    for machine in world.machines:
        for origin, seq in vectors.logs(machine.disk.vector()):
            event = world.observer.events.get(Dot(origin.node, origin.epoch, seq))
            if event is not None and event.rest:
                yield f"half a change: {machine.address} has {event.dot}, and not what follows"


def _bounds(world: "World") -> Iterable[str]:
    """Once all is quiet nothing is under way, and no task is left over."""
    limit = TASKS_MAX + TASKS_PER_LINK * len(world.machines)
    for machine in world.machines:
        if machine.running is None:
            continue
        tasks = world.loop.tasks_of(machine.running.process)
        if tasks > limit:
            yield f"{machine.address} has {tasks} tasks, more than {limit}"
        if machine.running.writer.waiting:
            yield f"{machine.address} has changes waiting when all is quiet"
        if left := left_over(machine.running):
            yield f"left over at {machine.address} when all is quiet: {left}"


async def _contents(world: "World") -> list[str]:
    """Every blob of every manifest that is there can be read, through any node."""
    found: list[str] = []
    writes = writes_of(world)
    pushes = {op.digest: op for op in reversed(writes) if op.puts}
    for number, (digest, op) in enumerate(sorted(pushes.items())):
        machine = world.machines[number % len(world.machines)]
        running = machine.running
        if running is None or not running.ready or _gone(world, op):
            continue
        if keys.join(op.repo, digest) not in machine.disk.families["manifest_bytes"]:
            continue
        for blob, data in op.blobs:
            problem = await _try_read(world, running, op.repo, Digest(blob), data)
            if problem:
                # The indexes may be alike before the last link is up again.
                await asyncio.sleep(LINKED_S)
                world.excused.note("not linked yet")
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
    except (RegistryError, ClusterError, StorageFailure) as exc:
        done.set_result(repr(exc))
