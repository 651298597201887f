"""What the nodes say when all is over: do they agree, and is everything there that must be?"""

import asyncio
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

import aiohttp

from tests.e2e.oci_layout import describe
from tests.e2e.registry_client import Image
from tests.netfaults.history import Op
from tests.netfaults.rules import Violation

CONVERGE_MAX_S: Final = 60.0
"""Longest wait for agreement; the promise is 30 s."""

QUIET_MAX_S: Final = 30.0
"""Longest wait until no node has anything left that another lacks."""

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
            NoAnswer: there is no answer, or none but a 5xx.
        """
        url = f"http://{self.addresses[node]}{path}"
        try:
            async with self._session.request(method, url) as answer:
                body = await answer.read()
        except (aiohttp.ClientError, TimeoutError) as exc:
            raise NoAnswer(f"{node} {path}: {type(exc).__name__}") from exc
        if answer.status >= 500:
            raise NoAnswer(f"{node} {path}: {answer.status} {body[:200]!r}")
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


@dataclass(kw_only=True)
class Agreement:
    """The state that all nodes came to."""

    at: float | None
    """When the last of all nodes had said the same as the others; None if they never did."""

    tags: dict[tuple[str, str], str]
    waited_for: str
    """Why it was not so the last time that it was not."""


async def converge(nodes: Nodes, now: Callable[[], float]) -> Agreement:
    """Ask until all nodes say the same. *now* gives seconds."""
    began = now()
    views: dict[str, View] = {}
    waited_for = ""
    while now() - began < CONVERGE_MAX_S:
        try:
            answers = await asyncio.gather(*map(nodes.view, nodes.addresses))
        except NoAnswer as exc:
            waited_for = str(exc)
        else:
            views = dict(zip(nodes.addresses, answers, strict=True))
            if len(set(answers)) == 1:
                return Agreement(at=now(), tags=_tags(answers[0]), waited_for=waited_for)
            waited_for = "; ".join(_differences(views)[:5])
        await asyncio.sleep(_POLL_S)
    return Agreement(
        at=None,
        tags=_tags(next(iter(views.values()))) if views else {},
        waited_for=waited_for,
    )


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


def _tags(view: View) -> dict[tuple[str, str], str]:
    return {(repo, tag): digest for repo, tag, digest in view.tags}


def _differences(views: dict[str, View]) -> list[str]:
    said: dict[str, set[str]] = {}
    for node, view in views.items():
        for repo, tag, digest in view.tags:
            said.setdefault(f"{repo}:{tag} {digest[:15]}", set()).add(node)
    return [f"{what} only at {sorted(at)}" for what, at in said.items() if len(at) < len(views)]


async def contents(
    nodes: Nodes, history: list[Op], images: dict[str, Image]
) -> tuple[list[Violation], int]:
    """
    Whether every acknowledged push is whole on every node, and every other one on all or on none.

    Returns the violations, and how many pushes of unknown outcome took effect.
    """
    found: list[Violation] = []
    took_effect = 0
    slots = asyncio.Semaphore(_AT_ONCE)

    async def check(op: Op) -> None:
        nonlocal took_effect
        async with slots:
            there = await _manifest(nodes, op)
        at = sorted(node for node, here in there.items() if here)
        if op.outcome == "ok" and len(at) < len(there):
            found.append(Violation("an acknowledged push is lost", (op,), f"it is at {at} only"))
        elif at and len(at) < len(there):
            found.append(Violation("a push that is there in part", (op,), f"it is at {at} only"))
        if at:
            took_effect += op.outcome == "unknown"
            async with slots:
                found.extend(await _blobs(nodes, op, images[op.digest]))

    async with asyncio.TaskGroup() as group:
        for op in _pushes(history):
            group.create_task(check(op))
    return found, took_effect


def _pushes(history: list[Op]) -> Iterable[Op]:
    return (op for op in history if op.kind == "push" and op.may_have_effect)


async def _manifest(nodes: Nodes, op: Op) -> dict[str, bool]:
    path = f"/v2/{op.repo}/manifests/{op.digest}"
    answers = await asyncio.gather(*(nodes.get(node, path) for node in nodes.addresses))
    return {
        node: status == 200 and describe("", body).digest == op.digest
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
            found.append(Violation("a blob cannot be read", (op,), str(exc)))
            continue
        if status != 200 or body != blob:
            text = f"{digest[:15]} from {node}: {status}, {len(body)} bytes"
            found.append(Violation("a blob cannot be read", (op,), text))
    return found


def reader(timeout_s: float = _TIMEOUT_S) -> aiohttp.ClientSession:
    """A session for `Nodes`."""
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=timeout_s),
        auto_decompress=False,
    )
