"""Clients: they push, pull, retag, delete and list through nodes, and remember what they heard."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Final

from cluster.errors import BlobUnavailable, ClusterError, StorageFailure
from cluster.model import Consistency, Digest
from node.errors import (
    BlobNotFound,
    ManifestBlobUnknown,
    ManifestUnknown,
    NameUnknown,
    OutcomeUnknown,
    RegistryError,
)
from node.identity.errors import (
    AccountExists,
    AccountUnknown,
    SecurityDocumentInvalid,
    Unauthenticated,
)
from node.registry.chunk import Chunk
from node.registry.media_types import OCI_INDEX, OCI_MANIFEST
from node.registry.names import Reference, RepositoryName, Tag
from node.registry.policy import ProjectPolicy
from node.registry.usecase import unconfirmed
from tests.sim import recall
from tests.sim.disk import IO_ERRORS
from tests.sim.history import NEVER, Op
from tests.sim.machine import ASKED, Machine, Running
from tests.sim.plan import PUTS, Step

if TYPE_CHECKING:
    from tests.sim.world import World

CLIENT_TIMEOUT_S: Final = 20.0

ECHOED: Final = PUTS | {"delete_tag"}
"""Writes of which every other one is read back."""

NOT_FOUND: Final = (
    *(ManifestUnknown, NameUnknown, BlobNotFound),
    *(AccountUnknown, AccountExists, SecurityDocumentInvalid, Unauthenticated),
)
"""What is clearly answered: it is not there, or there already, or not for who asks."""


class ConnectionLost(Exception):
    """The node died while it served the request."""


class Clients:
    """Carries out the operations of a plan, and keeps the history."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.history: list[Op] = []
        self.recalled: list[Op] = []
        """What clients would have been told from memory (`tests.sim.recall`)."""
        self.images: dict[str, list[Op]] = {}
        """Pushes whose manifest may exist, by repository: what can be retagged and deleted."""
        self.uploads: list[Op] = []
        """Blobs that may exist, each with what was said of it."""

    async def carry_out(self, step: Step) -> Op | None:
        """Do what *step* says; returns what came of it, None when there was nobody to ask."""
        if step["do"] == "push_index":
            return await self._push_index(step)
        return await self._do(step)

    async def _push_index(self, step: Step) -> Op | None:
        """
        The images first, by their digests, and then the index that lists them.

        It is pushed whatever came of them: its node says whether that can be.
        """
        children: list[Op] = []
        for number, layers in enumerate(step["children"], 1):
            child = {"do": "push", "tag": "", "layers": layers, "salt": step["salt"] >> number}
            pushed = await self._do({**step, **child, "alone": True})
            children += [] if pushed is None else [pushed]
        known = self.images.get(step["repo"], [])
        listing = [image for image in known if image.children]
        if step["nested"] and listing:
            children.append(listing[step["salt"] // 5 % len(listing)])
        elif step["known"] and known:
            children.append(known[step["salt"] // 5 % len(known)])
        by_digest = {child.digest: child for child in children}
        return await self._do(step, list(by_digest.values())) if children else None

    async def _do(self, step: Step, children: Sequence[Op] = ()) -> Op | None:
        machine = self.pick(step["region"], step["salt"])
        if machine is None:
            return None
        op = Op(
            number=len(self.history),
            kind=step["do"],
            region=machine.region,
            repo=step["repo"],
            tag=step["tag"],
            machine=machine.address,
            start=self._world.loop.time(),
        )
        work = self._prepare(op, step, children)
        if work is None:
            return None
        self.history.append(op)
        self._world.met(op)
        if op.kind == "push":
            await self._upload_blobs(op, step)
        await self.request(machine, op, work)
        if op.outcome == "ok" and op.kind in ECHOED and step["salt"] % 2 and "alone" not in step:
            # What was just acknowledged is read at once, through any node of the region (P2).
            echo = {"do": step.get("echo", "pull_tag"), "salt": step["salt"] >> 1, "of": op}
            if op.subject and step["salt"] % 4 == 1:
                echo |= {"do": "referrers", "of": op.subject}
            await self._do({**step, **echo})
        return op

    async def set_policy(self, step: Step) -> None:
        """Somebody decides how far the writes of a project wait; whether that works or not."""
        machine = self.pick(step["region"], step["salt"])
        if machine is None:
            return
        policy = ProjectPolicy(consistency=Consistency(step["consistency"]))

        async def work(running: Running, op: Op) -> None:
            await running.registry.projects.put(step["project"], policy)

        part = Op(-1, "policy", machine.region, step["project"], "", machine.address, 0.0)
        await self.request(machine, part, work)

    def pick(self, region: str, salt: int) -> Machine | None:
        ready = [m for m in self._world.everyone() if m.ready and m.region == region]
        ready = [m for m in ready if not m.cannot_read]
        return ready[salt % len(ready)] if ready else None

    def _prepare(
        self, op: Op, step: Step, children: Sequence[Op]
    ) -> "Callable[[Running, Op], Coroutine[Any, Any, None]] | None":
        known = self.images.setdefault(op.repo, [])
        if op.kind == "push_index":
            op.media_type, op.children = OCI_INDEX, [child.digest for child in children]
            op.body = _index(op, children)
            op.digest = Digest.of(op.body)
            known.append(op)
        elif op.kind == "push":
            op.blobs = [
                _blob("config", f"{op.number}"),
                *(_blob("layer", layer) for layer in step["layers"]),
            ]
            if known and step.get("subject"):
                op.subject = known[step["salt"] // 11 % len(known)].digest
            op.body = _manifest(op)
            op.digest = Digest.of(op.body)
            known.append(op)
        elif op.kind in ("retag", "delete_manifest", "pull_digest"):
            image = self._image(known, step)
            if image is None:
                return None
            op.digest, op.body, op.blobs = image.digest, image.body, image.blobs
            op.children, op.media_type = image.children, image.media_type
            op.subject = image.subject if op.kind == "retag" else ""
        elif op.kind in ("pull_blob", "delete_blob"):
            image = self._image([image for image in known if image.blobs], step)
            if image is None:
                return None
            op.blobs = [image.blobs[step["salt"] // 3 % len(image.blobs)]]
            op.digest = op.blobs[0][0]
        elif op.kind == "referrers":
            subjects = [image.subject for image in known if image.subject]
            subjects = subjects or [image.digest for image in known]
            if not subjects:
                return None
            op.subject = step.get("of") or subjects[step["salt"] // 7 % len(subjects)]
        return _WORK[op.kind]

    def _image(self, known: list[Op], step: Step) -> Op | None:
        """One of those that are *known*, or one of those that some image index lists."""
        of = step.get("of")
        if of is not None:
            listed = [image for image in known if image.digest in (of.children or [of.digest])]
            known = listed or known
        elif step.get("child"):
            listed_by = {digest for image in known for digest in image.children}
            known = [image for image in known if image.digest in listed_by] or known
        return known[step["salt"] // 7 % len(known)] if known else None

    async def _upload_blobs(self, op: Op, step: Step) -> None:
        """Each blob goes to whatever node the balancer picks; a failure shows at the manifest."""
        for number, (digest, data) in enumerate(op.blobs):
            machine = self.pick(step["region"], step["salt"] >> (number + 1))
            if machine is None:
                return
            part = Op(-1, "upload", machine.region, op.repo, "", machine.address, 0.0)
            part.digest = digest
            self.uploads.append(part)

            async def work(running: Running, part: Op, digest=digest, data=data) -> None:
                chunk = Chunk(_pieces(data), length=len(data))
                event = await running.registry.uploads.put_whole(
                    RepositoryName(part.repo), Digest(digest), chunk
                )
                part.dots.append(event)

            await self.request(machine, part, work)

    async def request(
        self, machine: Machine, op: Op, work: Callable[[Running, Op], Coroutine[Any, Any, None]]
    ) -> None:
        """Have the node do *work* and wait for its answer, its death or the client's patience."""
        running, loop = machine.running, self._world.loop
        # While the blobs went up it may have gone, or have become one of an earlier version.
        if running is None or running.process.cannot_read:
            op.outcome, op.error = "refused", "connection refused"
            return
        # Time passed while the blobs went up: what counts is what the node knows when it is asked.
        op.start = loop.time()
        op.seen = running.index.journal.durable
        op.begins(self._world.links(machine), self._world.durable())
        op.living, op.members = self._world.living(running), self._world.members(running)
        op.having, op.taking = self._world.having(op), self._world.taking(running)
        op.counted = self._world.keeping(running)
        answer: asyncio.Future[None] = loop.create_future()

        async def serve() -> None:
            ASKED.set(op)
            IO_ERRORS.set(op.io_errors)
            outcome, error = "ok", ""
            unconfirmed.set(False)
            running.asked.add(op)
            recall.begin(self._world, op)
            op.copies = sum(len(asked.blobs) for asked in running.asked)
            try:
                await work(running, op)
            except NOT_FOUND as exc:
                outcome, error = "missing", type(exc).__name__
            except (OutcomeUnknown, StorageFailure) as exc:
                outcome, error = "failed", f"{type(exc).__name__}: {exc}"[:90]
            except (RegistryError, ClusterError) as exc:
                outcome, error = "refused", f"{type(exc).__name__}: {exc}"[:90]
                if isinstance(exc, ManifestBlobUnknown):
                    op.lacking = [str(digest) for digest in exc.missing]
            finally:
                running.asked.discard(op)
            if answer.done():
                return
            op.unconfirmed = unconfirmed.get()
            op.outcome, op.error, op.end = outcome, error, loop.time()
            op.ends(self._world.links(machine), self._world.sick(machine, op.start))
            # A blob alone is promised to nobody: its node tells others of it as it can.
            if outcome == "ok" and op.kind != "upload":
                op.living &= self._world.living(running)
                op.taking &= self._world.taking(running)
                op.counted |= self._world.keeping(running)
                op.members = min(op.members, self._world.members(running))
                self._world.note_holders(op)
                if op.consistency is not Consistency.LOCAL:
                    self._world.observer.acknowledged(op.dot, op.region)
                self._world.expect_everywhere(op)
                recall.look(self._world, op.repo)
            elif outcome in ("refused", "failed"):
                self._world.expect_an_answer(op, machine.disk)
            answer.set_result(None)

        def died() -> None:
            if not answer.done():
                answer.set_exception(ConnectionLost())

        running.process.on_death[op] = died
        running.process.spawn(serve())
        try:
            async with asyncio.timeout(CLIENT_TIMEOUT_S):
                await answer
        except (ConnectionLost, TimeoutError) as exc:
            op.outcome, op.error, op.end = "failed", type(exc).__name__, NEVER
        finally:
            running.process.on_death.pop(op, None)
        self._world.network.trace(op.number, op.kind, op.outcome, op.digest)


async def _pieces(data: bytes) -> AsyncIterator[bytes]:
    yield data


def _blob(kind: str, name: str) -> tuple[str, bytes]:
    data = f"{kind} {name}".encode() * (1 + len(name))
    return Digest.of(data), data


def _manifest(op: Op) -> bytes:
    described = [{"mediaType": "x/y", "digest": d, "size": len(data)} for d, data in op.blobs]
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": described[0],
        "layers": described[1:],
        "annotations": {"number": str(op.number)},
    }
    if op.subject:
        # The size is that of the subject, and nobody looks at it: it need not even be here.
        document["subject"] = {"mediaType": OCI_MANIFEST, "digest": op.subject, "size": 1}
        document["artifactType"] = "x/signature"
    return json.dumps(document).encode()


def _index(op: Op, children: Sequence[Op]) -> bytes:
    listed = [
        {"mediaType": child.media_type, "digest": child.digest, "size": len(child.body)}
        for child in children
    ]
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": listed,
        "annotations": {"number": str(op.number)},
    }
    return json.dumps(document).encode()


async def _put(running: Running, op: Op) -> None:
    reference: Reference = Tag(op.tag) if op.tag else Digest(op.digest)
    await running.registry.push.put_manifest(
        RepositoryName(op.repo), reference, op.media_type, op.body
    )


async def _delete_tag(running: Running, op: Op) -> None:
    await running.registry.push.delete(RepositoryName(op.repo), Tag(op.tag))


async def _delete_manifest(running: Running, op: Op) -> None:
    await running.registry.push.delete(RepositoryName(op.repo), Digest(op.digest))


async def _delete_blob(running: Running, op: Op) -> None:
    await running.registry.repository_blobs.delete(RepositoryName(op.repo), Digest(op.digest))


async def _pull_tag(running: Running, op: Op) -> None:
    found = await running.registry.pull.manifest(RepositoryName(op.repo), Tag(op.tag))
    op.digest = found.digest
    assert found.digest.matches(found.body), "served bytes do not match their digest"


async def _pull_digest(running: Running, op: Op) -> None:
    found = await running.registry.pull.manifest(RepositoryName(op.repo), Digest(op.digest))
    assert found.digest.matches(found.body), "served bytes do not match their digest"
    assert found.media_type == op.media_type, f"served as {found.media_type}"


async def _pull_blob(running: Running, op: Op) -> None:
    (digest, data), *_ = op.blobs
    found = await read_blob(running, op.repo, Digest(digest))
    assert found == data, "served bytes are not those of the blob"


async def _list_tags(running: Running, op: Op) -> None:
    op.listed = (await running.registry.listing.tags(RepositoryName(op.repo), "", 1000)).items


async def _referrers(running: Running, op: Op) -> None:
    subject = Digest(op.subject)
    page = await running.registry.listing.referrers(
        RepositoryName(op.repo), subject, frozenset(), ""
    )
    described = [json.loads(descriptor) for descriptor in page.descriptors]
    op.listed = [each["digest"] for each in described]
    assert all(each["artifactType"] == "x/signature" for each in described), described


async def read_blob(running: Running, repo: str, digest: Digest) -> bytes:
    """The whole blob through this node, as a client gets it."""
    size = await running.registry.pull.blob_size(RepositoryName(repo), digest)
    async with running.registry.pull.open_blob(digest, size) as blob:
        if hasattr(blob, "stream"):
            return b"".join([piece async for piece in blob.stream(0, size)])
        data = await blob.read(0, size)
    if not digest.matches(data):
        raise BlobUnavailable(digest, "the local copy has other bytes")
    return data


_WORK: Final[dict[str, Callable[[Running, Op], Coroutine[Any, Any, None]]]] = {
    "push": _put,
    "push_index": _put,
    "retag": _put,
    "delete_tag": _delete_tag,
    "delete_manifest": _delete_manifest,
    "delete_blob": _delete_blob,
    "pull_tag": _pull_tag,
    "pull_digest": _pull_digest,
    "pull_blob": _pull_blob,
    "list_tags": _list_tags,
    "referrers": _referrers,
}
