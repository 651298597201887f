"""What the nodes say when all is over: do they agree, and is everything there that must be?"""

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import aiohttp

from tests.e2e.oci_layout import describe
from tests.e2e.registry_client import Image
from tests.netfaults.history import PUSHES, Op
from tests.netfaults.violation import Violation
from tests.netfaults.writes import Name

CONVERGE_MAX_S: Final = 30.0
"""In which all nodes must be the same after a heal: the promise."""

QUIET_MAX_S: Final = 30.0
"""Longest wait until no node has anything left that another lacks, blobs included."""

IN_PART: Final = "a push that is there in part"
SILENT: Final = "no answer when all is over"
UNREADABLE: Final = "a blob cannot be read"

_POLL_S: Final = 0.1
_TIMEOUT_S: Final = 5.0
_AT_ONCE: Final = 8


class View(NamedTuple):
    """What one node says: repositories, and the manifest behind each of their tags."""

    repositories: tuple[str, ...]
    tags: tuple[tuple[str, str, str], ...]


class NoAnswer(Exception):
    """The node does not serve now."""


class Nodes:
    """Reads from each node directly, without a proxy."""

    def __init__(self, session: aiohttp.ClientSession, addresses: dict[str, str]) -> None:
        """*addresses* are `host:port` by name."""
        self._session = session
        self.addresses = addresses

    async def get(self, node: str, path: str, method: str = "GET") -> tuple[int, bytes]:
        """
        Ask a node.

        Raises:
            NoAnswer: there is no answer, or none but a 5xx, or one that may not be the latest.
        """
        url = f"http://{self.addresses[node]}{path}"
        try:
            async with self._session.request(method, url) as answer:
                body = await answer.read()
        except (aiohttp.ClientError, TimeoutError) as exc:
            raise NoAnswer(f"{node} {path}: {type(exc).__name__}") from exc
        if answer.status >= 500:
            raise NoAnswer(f"{node} {path}: {answer.status} {body[:200]!r}")
        if answer.headers.get("Atoll-Consistency") == "unconfirmed":
            raise NoAnswer(f"{node} {path}: unconfirmed")
        return answer.status, body

    async def view(self, node: str) -> View:
        """Everything that a node serves by name."""
        repositories = json.loads((await self.get(node, "/v2/_catalog?n=1000"))[1])["repositories"]
        tags = []
        for repo in repositories:
            _, body = await self.get(node, f"/v2/{repo}/tags/list?n=1000")
            for tag in json.loads(body)["tags"]:
                status, manifest = await self.get(node, f"/v2/{repo}/manifests/{tag}")
                digest = describe("", manifest).digest if status == 200 else str(status)
                tags.append((repo, tag, digest))
        return View(tuple(repositories), tuple(tags))

    async def restlessness(self, node: str) -> str:
        """
        What this node lacks of the others', or they of its own, as far as it knows; empty when all
        logs are the same everywhere, and with them the indexes that were made of them.
        """
        said = json.loads((await self.get(node, "/atoll/v1/cluster"))[1])
        lacks = {
            member["node"]: (member["ahead_events"], member["lag_events"])
            for member in said["members"]
            if not member["connected"] or member["ahead_events"] or member["lag_events"]
        }
        told = [f"{node} and {other}: {a} and {b} events" for other, (a, b) in lacks.items()]
        told += [f"{node} knows {len(said['members'])} others"] * (
            len(said["members"]) != len(self.addresses) - 1
        )
        told += [f"{node} restores its index"] * (said["restoring"] is not None)
        told += [f"{node} is damaged"] * said["damaged"]
        told += [f"{node} differs from {', '.join(said['differing'])}"] * bool(said["differing"])
        return "; ".join(told)


@dataclass(kw_only=True)
class Agreement:
    """The state that all nodes came to."""

    at: float | None = None
    """When all nodes had served the same; None if they never did."""

    identical_at: float | None = None
    """When besides no node had an event that another one lacked."""

    tags: dict[Name, str] = field(default_factory=dict)
    waited_for: str = ""
    """Why it was not so the last time that it was not."""


async def converge(nodes: Nodes, now: Callable[[], float], healed_at: float) -> Agreement:
    """
    Ask until all nodes say the same and have the same, for `CONVERGE_MAX_S` from *healed_at*. *now*
    gives seconds.
    """
    agreed = Agreement()
    while agreed.identical_at is None and now() < healed_at + CONVERGE_MAX_S:
        try:
            answers = await asyncio.gather(*map(nodes.view, nodes.addresses))
            served_at = now()
            restless = await asyncio.gather(*map(nodes.restlessness, nodes.addresses))
        except NoAnswer as exc:
            agreed.waited_for = str(exc)
        else:
            views = dict(zip(nodes.addresses, answers, strict=True))
            agreed.tags = {(repo, tag): digest for repo, tag, digest in answers[0].tags}
            if len(set(answers)) > 1:
                agreed.at, agreed.waited_for = None, "; ".join(_differences(views)[:5])
            elif told := [each for each in restless if each]:
                agreed.at, agreed.waited_for = agreed.at or served_at, "; ".join(told[:5])
            else:
                agreed.at, agreed.identical_at = agreed.at or served_at, now()
                break
        await asyncio.sleep(_POLL_S)
    return agreed


async def quiet(nodes: Nodes) -> list[Violation]:
    """Wait until every node is connected with all others, which have all of its events."""
    busy = list(nodes.addresses)
    try:
        async with asyncio.timeout(QUIET_MAX_S):
            while busy:
                are_quiet = await asyncio.gather(*(_is_quiet(nodes, node) for node in busy))
                busy = [
                    node for node, is_quiet in zip(busy, are_quiet, strict=True) if not is_quiet
                ]
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        text = f"{', '.join(busy)}: not everything that they have to tell has arrived"
        return [Violation("no quiet after the heal", (), text)]
    return []


async def _is_quiet(nodes: Nodes, node: str) -> bool:
    try:
        _, text = await nodes.get(node, "/metrics")
    except NoAnswer:
        return False
    figures = dict(line.rsplit(b" ", 1) for line in text.splitlines() if line[:1] != b"#")
    return (
        float(figures[b"atoll_cluster_peers_connected"]) == len(nodes.addresses) - 1
        and float(figures[b"atoll_cluster_events_unpushed"]) == 0
        and float(figures[b"atoll_cluster_blobs_fetching"]) == 0
    )


def _differences(views: dict[str, View]) -> list[str]:
    said: dict[str, set[str]] = {}
    for node, view in views.items():
        for repo, tag, digest in view.tags:
            said.setdefault(f"{repo}:{tag} {digest[:15]}", set()).add(node)
    return [f"{what} only at {sorted(at)}" for what, at in said.items() if len(at) < len(views)]


@dataclass(kw_only=True)
class Contents:
    """What all nodes have in the end."""

    manifests: set[Name] = field(default_factory=set)
    violations: list[Violation] = field(default_factory=list)
    took_effect: int = 0
    """How many pushes of unknown outcome are there."""


async def contents(nodes: Nodes, history: Sequence[Op], images: dict[str, Image]) -> Contents:
    """
    Ask every node for every manifest that was pushed: it is on all of them or on none. Where it is,
    its blobs can be read.
    """
    found = Contents()
    slots = asyncio.Semaphore(_AT_ONCE)
    pushes: dict[Name, list[Op]] = defaultdict(list)
    for op in history:
        if op.kind in PUSHES and op.may_have_effect:
            pushes[op.repo, op.digest].append(op)

    async def check(name: Name, ops: list[Op]) -> None:
        try:
            async with slots:
                there = await _manifest(nodes, *name)
        except NoAnswer as exc:
            found.violations.append(Violation(SILENT, (ops[-1],), str(exc)))
            return
        at = sorted(node for node, here in there.items() if here)
        if not at:
            return
        found.took_effect += all(op.outcome == "unknown" for op in ops)
        if len(at) == len(there):
            found.manifests.add(name)
        else:
            text = f"it is at {at} only"
            found.violations.append(Violation(IN_PART, (ops[-1],), text))
        async with slots:
            found.violations.extend(await _blobs(nodes, ops[-1], images[name[1]]))

    async with asyncio.TaskGroup() as group:
        for name, ops in pushes.items():
            group.create_task(check(name, ops))
    return found


async def _manifest(nodes: Nodes, repo: str, digest: str) -> dict[str, bool]:
    path = f"/v2/{repo}/manifests/{digest}"
    answers = await asyncio.gather(*(nodes.get(node, path) for node in nodes.addresses))
    return {
        node: status == 200 and describe("", body).digest == digest
        for node, (status, body) in zip(nodes.addresses, answers, strict=True)
    }


async def _blobs(nodes: Nodes, op: Op, image: Image) -> list[Violation]:
    """Each blob, from one node after the other: all nodes have to find a copy of some."""
    names = list(nodes.addresses)
    found = []
    for number, blob in enumerate(image.blobs):
        node = names[(op.number + number) % len(names)]
        digest = describe("", blob).digest
        try:
            status, body = await nodes.get(node, f"/v2/{op.repo}/blobs/{digest}")
        except NoAnswer as exc:
            found.append(Violation(UNREADABLE, (op,), str(exc)))
            continue
        if status != 200 or body != blob:
            text = f"{digest[:15]} from {node}: {status}, {len(body)} bytes"
            found.append(Violation(UNREADABLE, (op,), text))
    return found


def reader(timeout_s: float = _TIMEOUT_S) -> aiohttp.ClientSession:
    """A session for `Nodes`."""
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=timeout_s),
        auto_decompress=False,
    )
