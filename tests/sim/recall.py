"""
What nodes would answer from memory, by the rule by which their edge does (`node.remembered`).

Clients of the simulator ask below the edge. So a reader stands at each node: whenever a client
begins something, the readers ask for what it is about, and remember it where leases cover them. And
whenever a client is told that a write stands, all that they remember of its repository, or project,
and that the rule lets them give, is judged as what another client was told then. Nothing else
changes by it: the plan goes on as without.
"""

from typing import TYPE_CHECKING, Final, NamedTuple

from cluster.model import Digest
from node.index import keys
from node.registry.policy import KIND, project_of
from node.remembered.validity import Validity
from node.remembered.words import Basis
from tests.sim.history import Op

if TYPE_CHECKING:
    from tests.sim.machine import Machine, Running
    from tests.sim.world import World


class Question(NamedTuple):
    """A read."""

    kind: str
    repo: str
    name: str
    """A tag, or a digest; empty: a list."""


class Remembered(NamedTuple):
    """What was found, and what it was made of."""

    basis: Basis
    digest: str
    listed: list[str]
    policy: bytes | None
    """What the project had decided."""


_PAGE: Final = 1000


class Recollection:
    """The memory of one process: everything, as soon as it was asked for."""

    def __init__(self, validity: Validity) -> None:
        self._validity = validity
        self.kept: dict[Question, Remembered] = {}

    def holds(self, question: Question) -> bool:
        return self._validity.holds(self.kept[question].basis)

    def ask(self, running: "Running", question: Question) -> None:
        """Look up what *question* asks for, and keep it."""
        metadata, (kind, repo, name) = running.index.metadata, question
        basis, listed, digest = self._validity.basis(repo, name), list[str](), name
        match kind:
            case "list_tags":
                listed = list(metadata.tags(repo, "", _PAGE).items)
            case "pull_tag":
                digest = metadata.tag(repo, name) or ""
            case "pull_digest":
                digest = name if metadata.manifest(repo, Digest(name)) else ""
            case "pull_blob":
                digest = name if metadata.blob(repo, Digest(name)) is not None else ""
        if digest or listed:
            self.kept[question] = Remembered(basis, digest, listed, policy(running, repo))


def begin(world: "World", op: Op) -> None:
    """Have the readers ask for what a client begins with *op*."""
    asked = {Question("list_tags", op.repo, "")}
    if op.tag:
        asked.add(Question("pull_tag", op.repo, op.tag))
    if op.digest:
        kind = "pull_blob" if op.kind in ("upload", "pull_blob", "delete_blob") else "pull_digest"
        asked.add(Question(kind, op.repo, op.digest))
    for machine in world.everyone():
        running = machine.running
        # Clients are not sent to a node of an earlier version: what it cannot read it lacks.
        if running is None or not machine.reads or machine.disk.failing or machine.cannot_read:
            continue
        for question in asked:
            running.recollection.ask(running, question)


def look(world: "World", name: str) -> None:
    """Have all of a repository, or a project, that would be given from memory judged as it is."""
    for machine in world.everyone():
        running = machine.running
        if running is None or not machine.up:
            continue
        for question, found in running.recollection.kept.items():
            about = (question.repo, project_of(question.repo))
            if name in about and running.recollection.holds(question):
                world.clients.recalled.append(_told(world, machine, question, found))


def _told(world: "World", machine: "Machine", question: Question, found: Remembered) -> Op:
    """The read of a client who would be told what is remembered."""
    now = world.loop.time()
    read = Op(-1, question.kind, machine.region, question.repo, "", machine.address, now, now, "ok")
    read.tag = question.name if question.kind == "pull_tag" else ""
    read.digest, read.listed = found.digest, found.listed
    # It asks nobody, and does not say so: what is with anybody has to be seen, if it may be.
    read.reach = world.durable()
    assert machine.running is not None
    if found.policy != policy(machine.running, question.repo):
        world.observer.violations.append(f"policy: {read} as it was under another one")
    return read


def policy(running: "Running", repository: str) -> bytes | None:
    """What the repository's project has decided, as far as the node's disk knows."""
    key = keys.join(KIND, project_of(repository))
    row: bytes | None = running.store.disk.families["settings"].get(key)
    return row
