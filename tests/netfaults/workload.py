"""Clients that push, pull, retag, delete and list through their region's proxy all the while."""

import asyncio
import json
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import aiohttp

from tests.e2e.oci_layout import MANIFEST_TYPE, describe
from tests.e2e.registry_client import Image, make_image, once
from tests.netfaults.history import CLIENT_TIMEOUT_S, PULLS, PUSHES, Kind, Op
from tests.netfaults.nodes import REGION_OF

WORKERS: Final = 16
"""Clients per region: a node without its peers keeps each of its writers waiting for 10 s, and the
others have to go on."""

REPOSITORIES: Final = ("shop/web", "shop/api", "tools/ci")
HOT_TAGS: Final = ("latest", "stable", "edge")
PROBE_S: Final = 0.5
"""Time between two reads at each node by clients that know no proxy: they also ask a node that is
stopped, and are answered in the moment in which it goes on, before it has heard any news."""

READ_BACK: Final = 0.5
"""Share of acknowledged writes that are read back at once, through whatever node comes next: by tag
in the same region, or by digest in any."""

BLOBS: Final = 0.5
"""Share of manifests found by those who know no node of which a blob is read then, through whatever
node comes next."""

_RECENT: Final = 8
"""So many of the last images are those that are deleted, and half of what is tagged again is of
them: so deletions and pushes of one manifest meet."""

_LAYER_BYTES: Final = (200, 2 << 10, 8 << 10, 40 << 10)
_KNOWN_MAX: Final = 50
_BINARY: Final = {"Content-Type": "application/octet-stream"}
_MIX: Final[dict[Kind, int]] = {
    "push": 25,
    "retag": 12,
    "delete": 6,
    "delete_digest": 6,
    "pull": 31,
    "pull_digest": 12,
    "list": 8,
}


@dataclass
class Answer:
    """What came back. Status 0 for nothing, with the reason."""

    status: int = 0
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    code: str = ""
    why: str = ""
    timed_out: bool = False

    def explain(self) -> None:
        """Take the error's code and message out of the body, as far as it has them."""
        with suppress(ValueError, LookupError, TypeError):
            error = json.loads(self.body)["errors"][0]
            self.code, self.why = error["code"], error["message"]


class Journey:
    """Which node the proxies gave each request to, by the request's id."""

    def __init__(self, node_of: dict[str, str]) -> None:
        """*node_of* names the node behind each `host:port`."""
        self._node_of = node_of
        self._reached: dict[str, str] = {}

    def note(self, head: bytes, backend: str) -> None:
        """Called by a proxy for each request that it passes on."""
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() == b"x-request-id":
                self._reached[value.strip().decode()] = self._node_of[backend]

    def take(self, request: str) -> str:
        """The node that got *request*; empty if none did."""
        return self._reached.pop(request, "")


class Workload:
    """All clients of a run, and the history they write."""

    def __init__(
        self,
        proxies: dict[str, str],
        nodes: dict[str, str],
        journey: Journey,
        now: Callable[[], float],
        seed: int,
    ) -> None:
        """
        *proxies* are the addresses (host:port) of the regions, *nodes* those of the nodes; *now*
        gives the seconds of the run.
        """
        self.history: list[Op] = []
        self.images: dict[str, Image] = {}
        """Every image whose push was begun, by its manifest's digest."""

        self.homes: dict[str, str] = {}
        """The region that each of them was pushed in: who tags it again is of the same."""

        self._proxies = proxies
        self._nodes = nodes
        self._journey = journey
        self.now = now
        self._seed = seed
        self._pushed: dict[tuple[str, str], list[str]] = {}
        self._requests = 0
        self._parts = 0

    async def run(self, until: float, rate: float) -> None:
        """
        Work until *until*, starting about *rate* operations a second; finish what was begun.
        May be called again.
        """
        self._parts += 1
        timeout = aiohttp.ClientTimeout(total=CLIENT_TIMEOUT_S)
        connector = aiohttp.TCPConnector(force_close=True, limit=0)
        async with (
            aiohttp.ClientSession(
                timeout=timeout, connector=connector, middlewares=(once,)
            ) as session,
            asyncio.TaskGroup() as group,
        ):
            pause_s = len(self._proxies) * WORKERS / rate
            for region in self._proxies:
                for number in range(WORKERS):
                    rng = random.Random(f"{self._seed} {self._parts} {region} {number}")
                    worker = _Worker(self, session, region, rng)
                    group.create_task(worker.run(until, pause_s))
            for node in self._nodes:
                rng = random.Random(f"{self._seed} {self._parts} {node}")
                prober = _Worker(self, session, REGION_OF[node], rng, node)
                group.create_task(prober.probe(until))

    async def request(
        self,
        session: aiohttp.ClientSession,
        op: Op,
        method: str,
        target: str,
        *,
        node: str = "",
        data: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """
        Send one request of *op* to *node*, or through its region's proxy; note where it went.
        """
        self._requests += 1
        name = f"op-{op.number}-{self._requests}"
        host = self._nodes[node] if node else self._proxies[op.region]
        url = target if "://" in target else f"http://{host}{target}"
        answer = Answer()
        op.start = self.now()
        try:
            async with session.request(
                method, url, data=data, headers={"X-Request-Id": name, **(headers or {})}
            ) as got:
                answer.body = await got.read()
                answer.status = got.status
                answer.headers = {key.title(): value for key, value in got.headers.items()}
                if got.status >= 400:
                    answer.explain()
        except TimeoutError:
            answer = Answer(why="timed out", timed_out=True)
        except aiohttp.ClientError as exc:
            answer = Answer(why=type(exc).__name__)
        op.end = self.now()
        op.node = node or self._journey.take(name)
        return answer

    @property
    def regions(self) -> list[str]:
        return list(self._proxies)

    def note_pushed(self, region: str, repo: str, digest: str) -> None:
        """Remember an acknowledged image, so that it can be tagged again, read and deleted."""
        known = self._pushed.setdefault((region, repo), [])
        known.append(digest)
        del known[:-_KNOWN_MAX]

    def pushed(self, region: str, repo: str) -> list[str]:
        return self._pushed.get((region, repo), [])


class _Worker:
    """One client."""

    def __init__(
        self,
        work: Workload,
        session: aiohttp.ClientSession,
        region: str,
        rng: random.Random,
        node: str = "",
    ) -> None:
        """*node* is where it sends everything; without one, to its region's proxy."""
        self._node = node
        self._work = work
        self._session = session
        self._region = region
        self._rng = rng

    async def probe(self, until: float) -> None:
        """Read hot tags until *until*, whether or not the reads before have been answered."""
        async with asyncio.TaskGroup() as reads:
            while self._work.now() < until:
                repo, tag = self._rng.choice(REPOSITORIES), self._rng.choice(HOT_TAGS)
                read = self._new("pull", repo)
                read.tag = tag
                reads.create_task(self._carry_out(read))
                await asyncio.sleep(PROBE_S)

    async def run(self, until: float, pause_s: float) -> None:
        """One operation at a time until *until*."""
        now = self._work.now
        await asyncio.sleep(self._rng.uniform(0, pause_s))
        while now() < until:
            began = now()
            kind = self._rng.choices(list(_MIX), list(_MIX.values()))[0]
            done = await self._operate(kind, self._rng.choice(REPOSITORIES), self._tag())
            if done.is_write and done.outcome == "ok" and self._rng.random() < READ_BACK:
                await self._read_back(done)
            elif done.kind in PULLS:
                await self._read_blob(done)
            # Exponential, so that operations meet at all distances.
            rest = self._rng.expovariate(1 / pause_s) - (now() - began)
            await asyncio.sleep(max(0.0, min(rest, until - now())))

    def _tag(self) -> str:
        if self._rng.random() < 0.6:
            return self._rng.choice(HOT_TAGS)
        return f"v{self._rng.randrange(12)}"

    async def _operate(self, kind: Kind, repo: str, tag: str) -> Op:
        digest = self._choose(kind, repo)
        if kind in ("retag", "delete_digest", "pull_digest") and not digest:
            kind = "push"
        op = self._new(kind, repo)
        if kind in ("retag", "delete_digest", "pull_digest"):
            op.digest = digest
        if kind not in ("delete_digest", "pull_digest", "list"):
            op.tag = tag
        await self._carry_out(op)
        return op

    async def _read_back(self, done: Op) -> None:
        by_tag = done.tag and (not done.digest or self._rng.random() < 0.5)
        read = self._new("pull" if by_tag else "pull_digest", done.repo)
        if by_tag:
            read.tag = done.tag
        else:
            read.digest, read.region = done.digest, self._rng.choice(self._work.regions)
        await self._carry_out(read)
        await self._read_blob(read)

    async def _read_blob(self, found: Op) -> None:
        """Go on with a pull that found a manifest, or not."""
        image = self._work.images.get(found.digest)
        if found.outcome != "ok" or image is None or self._rng.random() >= BLOBS:
            return
        read = self._new("pull_blob", found.repo)
        read.digest, read.region = found.digest, found.region
        read.blob = describe("", self._rng.choice(image.blobs)).digest
        read.home = self._work.homes[found.digest]
        read.seen, read.seen_at = found.end, found.node
        await self._carry_out(read)

    def _choose(self, kind: Kind, repo: str) -> str:
        """An image to do something with; empty when there is none yet."""
        regions = self._work.regions if kind == "pull_digest" else [self._region]
        known = self._work.pushed(self._rng.choice(regions), repo)
        recent = kind == "delete_digest" or (kind == "retag" and self._rng.random() < 0.5)
        known = known[-_RECENT:] if recent else known
        return self._rng.choice(known) if known else ""

    def _new(self, kind: Kind, repo: str) -> Op:
        op = Op(number=len(self._work.history), kind=kind, region=self._region, repo=repo)
        self._work.history.append(op)
        return op

    async def _carry_out(self, op: Op) -> None:
        match op.kind:
            case "push":
                await self._push(op)
            case "retag":
                await self._put_manifest(op)
            case "delete" | "delete_digest":
                self._conclude(op, await self._send(op, "DELETE", self._manifest(op)))
            case "pull" | "pull_digest" | "pull_blob":
                await self._pull(op)
            case "list":
                await self._list(op)

    async def _send(self, op: Op, method: str, target: str, **more) -> Answer:
        return await self._work.request(self._session, op, method, target, node=self._node, **more)

    def _manifest(self, op: Op) -> str:
        return f"/v2/{op.repo}/manifests/{op.tag or op.digest}"

    def _conclude(self, op: Op, answer: Answer) -> None:
        op.status, op.code, op.why = answer.status, answer.code, answer.why
        op.timed_out = answer.timed_out
        op.event = answer.headers.get("Atoll-Event", "")
        op.degraded = answer.headers.get("Atoll-Degraded", "")
        op.unconfirmed = answer.headers.get("Atoll-Consistency", "") == "unconfirmed"
        if 200 <= answer.status < 300:
            op.outcome = "ok"
        elif answer.status == 404 and op.kind not in PUSHES:
            op.outcome = "missing"
        elif not op.node or 400 <= answer.status < 500:
            op.outcome = "refused"

    async def _push(self, op: Op) -> None:
        image = make_image(
            self._rng, [self._rng.choice(_LAYER_BYTES) for _ in range(self._rng.randrange(1, 3))]
        )
        op.digest = image.digest
        self._work.images[image.digest] = image
        self._work.homes[image.digest] = op.region
        for blob in image.blobs:
            answer = await self._upload(op, blob)
            if answer.status != 201:
                self._conclude(op, answer)
                # No manifest was sent: whatever became of the blob, nobody can see it.
                op.outcome = "refused"
                return
        await self._put_manifest(op)

    async def _upload(self, op: Op, blob: bytes) -> Answer:
        opened = await self._send(op, "POST", f"/v2/{op.repo}/blobs/uploads/")
        if opened.status != 202:
            return opened
        op.owners.append(op.node)
        location = opened.headers["Location"]
        separator = "&" if "?" in location else "?"
        digest = describe("", blob).digest
        return await self._send(
            op, "PUT", f"{location}{separator}digest={digest}", data=blob, headers=_BINARY
        )

    async def _put_manifest(self, op: Op) -> None:
        answer = await self._send(
            op,
            "PUT",
            self._manifest(op),
            data=self._work.images[op.digest].manifest,
            headers={"Content-Type": MANIFEST_TYPE},
        )
        self._conclude(op, answer)
        if op.outcome == "ok":
            self._work.note_pushed(op.region, op.repo, op.digest)

    async def _pull(self, op: Op) -> None:
        blob = f"/v2/{op.repo}/blobs/{op.blob}"
        answer = await self._send(op, "GET", blob if op.blob else self._manifest(op))
        self._conclude(op, answer)
        if op.outcome == "ok":
            op.body = describe("", answer.body).digest
            # Who asks for a digest knows what has to come; a tag's is what the answer says.
            op.digest = op.digest or answer.headers.get("Docker-Content-Digest", "")

    async def _list(self, op: Op) -> None:
        answer = await self._send(op, "GET", f"/v2/{op.repo}/tags/list?n=1000")
        self._conclude(op, answer)
        if op.outcome == "ok":
            op.listed = json.loads(answer.body)["tags"] or []
