"""What clients were told of, and not told of, against what they had written."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tests.sim.contents import BY_DIGEST, Contents
from tests.sim.excuses import Excused
from tests.sim.history import Op
from tests.sim.order import before, may_undo, must_be_seen, on_tag, writes_of

if TYPE_CHECKING:
    from tests.sim.world import World


def reads(world: "World") -> Iterable[str]:
    writes = writes_of(world)
    contents = Contents(writes, world.clients.uploads, world.excused)
    excused = world.excused
    for read in world.clients.history:
        if read.outcome == "missing" and read.io_errors:
            yield f"an IO error became 'not found': {read}"
        if read.outcome == "missing" and read.kind in ("pull_tag", "delete_tag"):
            yield from _missing_tag(excused, read, read.tag, writes)
        elif read.outcome == "missing" and read.kind in BY_DIGEST:
            yield from contents.missing(read, read.digest)
        elif read.outcome in ("ok", "missing") and read.kind == "list_tags":
            written = {w.tag for w in writes if w.repo == read.repo and w.tag}
            for tag in sorted(written - set(read.listed)):
                yield from _missing_tag(excused, read, tag, writes)
            yield from _listed(read, writes)
        elif read.outcome == "ok" and read.kind == "referrers":
            yield from _referrers(read, writes, contents)
        elif read.outcome == "ok" and read.kind == "pull_tag":
            yield from _found_tag(world, excused, read, writes)
        elif read.outcome == "ok" and read.kind in ("pull_digest", "pull_blob"):
            yield from contents.found(read, read.digest)
        for digest in read.lacking:
            yield from contents.missing(read, digest)


def recalled(world: "World") -> Iterable[str]:
    """
    The same of what clients would have been told from memory. Whether anybody wrote it at all is
    not asked, as nodes of stories write by themselves; and what nobody was told needs no excuse.
    """
    writes, excused = writes_of(world), Excused()
    contents = Contents(writes, world.clients.uploads, excused)
    put = {(w.repo, w.digest) for w in writes if w.puts}
    tags = {(w.repo, w.tag) for w in writes if w.tag}
    for read in world.clients.recalled:
        if read.kind == "list_tags":
            for repo, tag in sorted(tags):
                if repo == read.repo and tag not in read.listed:
                    yield from _missing_tag(excused, read, tag, writes)
        elif read.kind != "pull_tag":
            yield from contents.found(read, read.digest)
        elif (read.repo, read.digest) in put:
            yield from _found_tag(world, excused, read, writes)


def _missing_tag(excused: Excused, read: Op, tag: str, writes: list[Op]) -> Iterable[str]:
    of_tag = on_tag(writes, read.repo, tag)
    pointing = [w for w in of_tag if w.puts]
    # A listing answers from what its node has: the promise about it is the region's.
    in_region = read.kind == "list_tags"
    for write in pointing:
        if not must_be_seen(read, write, in_region=in_region):
            excused.unseen(read, write)
            continue
        later = {w.digest for w in pointing if not before(w, write)} | {write.digest}
        undone = any(
            may_undo(w, write, read)
            for w in writes
            if w.repo == read.repo
            and w is not read
            and (
                (w.kind == "delete_tag" and w.tag == tag)
                or (w.kind == "delete_manifest" and w.digest in later)
            )
        )
        if not undone:
            yield f"missing: {read} does not find {tag}, written by {write}"
            return
        excused.note("may be undone")


def _listed(read: Op, writes: list[Op]) -> Iterable[str]:
    """What is listed was written in this repository, once, and is not known to be deleted."""
    if len(set(read.listed)) != len(read.listed):
        yield f"listed twice: {read} {read.listed}"
    for tag in read.listed:
        of_tag = on_tag(writes, read.repo, tag)
        sources = [w for w in of_tag if w.kind != "delete_tag" and w.start < read.end]
        if not sources:
            yield f"listed, and nobody wrote it: {tag} in {read}"
        for delete in of_tag:
            if delete.kind != "delete_tag":
                continue
            if not must_be_seen(read, delete, in_region=True):
                continue
            if all(before(source, delete) for source in sources):
                yield f"deleted, and listed: {tag} in {read} after {delete}"


def _referrers(read: Op, writes: list[Op], contents: Contents) -> Iterable[str]:
    """Every manifest of that subject is listed, unless it was deleted, and then none is."""
    if len(set(read.listed)) != len(read.listed):
        yield f"listed twice: {read} {read.listed}"
    of_subject = [w for w in writes if (w.repo, w.subject) == (read.repo, read.subject)]
    pushes = [w for w in of_subject if w.puts]
    # An empty list asks everybody, as a tag does that is not there.
    in_region = bool(read.listed)
    for push in pushes:
        if push.digest in read.listed or not must_be_seen(read, push, in_region=in_region):
            continue
        deletes = [w for w in writes if w.kind == "delete_manifest" and w.digest == push.digest]
        if not any(may_undo(delete, push, read) for delete in deletes):
            yield f"missing: {read} does not list what {push} pushed"
    for digest in read.listed:
        if not any(push.digest == digest and push.start < read.end for push in pushes):
            yield f"listed, and nobody wrote it: {digest} in {read}"
        yield from contents.found(read, digest)


def _found_tag(world: "World", excused: Excused, read: Op, writes: list[Op]) -> Iterable[str]:
    of_tag = on_tag(writes, read.repo, read.tag)
    sources = [w for w in of_tag if w.digest == read.digest and w.puts]
    if not sources:
        yield f"a value that nobody wrote: {read}"
        return
    for write in of_tag:
        if not must_be_seen(read, write, in_region=True):
            if write not in sources and all(before(source, write) for source in sources):
                excused.unseen(read, write)
            continue
        if write not in sources and all(before(source, write) for source in sources):
            yield f"stale: {read} after {write}"
            return
        if write.kind != "delete_tag" and all(_smaller(world, s, write) for s in sources):
            others = [w for w in writes if w.repo == read.repo and w not in (write, *sources)]
            undone = any(
                may_undo(w, write, read)
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
