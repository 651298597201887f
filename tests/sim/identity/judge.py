"""Holds what the nodes decide about people and tokens against the reference, and the promises."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from cluster import vectors
from cluster.clock import MAX_OFFSET_MS
from cluster.errors import StorageFailure
from cluster.model import Dot, Vector
from node.identity.login import Account
from tests.sim.disk import Disk
from tests.sim.history import Op
from tests.sim.identity.model import DocVersion, Known, version_in
from tests.sim.identity.plan import GROUP, PEOPLE, REPOSITORIES, ROBOTS
from tests.sim.identity.rooms import ACTIONS, Rooms
from tests.sim.machine import Machine, Running
from tests.sim.order import must_be_seen

if TYPE_CHECKING:
    from tests.sim.world import World

LATE_S: Final = 0.5
"""By how much the simulator, and the watch over the voters, may look too late."""

SKEW_S: Final = 2 * MAX_OFFSET_MS / 1000
"""By how much a token may outlive its life: two clocks that are both within the bound."""

LEEWAY_S: Final = 30.0
"""By how much a token may be from the future."""

LOOK_S: Final = 1.0
SAMPLE_S: Final = 0.25


@dataclass(eq=False)
class Token:
    """What a client was given."""

    text: str
    kind: str
    """`access` or `refresh`."""

    account: tuple[str, str, str]
    key: str
    """The name of the key that signed it."""

    issuer: Machine
    at: float
    """When it was given out, in true time; *wall_at* by the clock of the node."""

    wall_at: float
    ends: float
    """When it has to end, by that clock: counted by the plan and the documents, not by itself."""

    access: dict[str, tuple[frozenset[str], str]] = field(default_factory=dict)
    """What it is for, and the id of the project then, by repository."""

    skew_ms: float = 0.0
    """By how much the node's clock was off."""


@dataclass(eq=False)
class Change:
    """What an operator did."""

    op: Op
    what: str
    names: tuple[str, ...]
    """What it was about: `USER`, `PROJECT`, `PROJECT SUBJECT`, ..."""


class Judge:
    def __init__(self, world: "World") -> None:
        self._world = world
        self._versions: dict[Dot, DocVersion] = {}
        self._seen = 0
        self._looked: dict[Machine, tuple[Any, ...]] = {}
        self.changes: list[Change] = []
        self.answers: list[tuple[Op, Disk, Vector]] = []
        """Log-ins and renewals, and what their nodes had when they were answered."""
        self.counts: Counter[str] = Counter()
        """What was asked and answered, and the decisions that were compared."""
        self.violations: list[str] = []

    # --- what a node knows -----------------------------------------------------------------------

    def _read(self) -> None:
        events = self._world.observer.events
        for event in islice(events.values(), self._seen, None):
            version = version_in(event)
            if version is not None:
                self._versions[event.dot] = version
        self._seen = len(events)

    def known(self, machine: Machine) -> Known:
        """What the events say that are in the index of *machine*."""
        self._read()
        vector = machine.disk.vector()
        return Known(
            self._versions.values(),
            lambda dot: machine.disk.reached(vector, dot.origin) >= dot.seq,
        )

    def can_tell(self, machine: Machine, running: Running) -> bool:
        """
        Whether it is known what is in the index now: no checkpoint is taking its place, and what
        the node has written itself is durable, which is when the simulator sees it.
        """
        journal = running.index.journal
        origin = journal.origin
        if machine.running is not running or running.process.cannot_read or machine.disk.failing:
            return False
        durable = vectors.reached(journal.durable, origin)
        return not journal.restoring and vectors.reached(journal.applied, origin) == durable

    # --- decisions -------------------------------------------------------------------------------

    def look(self) -> None:
        """Ask every node what everybody may, and hold it against what its events say."""
        for machine in self._world.everyone():
            running = machine.running
            if running is None or not running.ready or not machine.up:
                continue
            if not self.can_tell(machine, running):
                continue
            mark = (running, running.rooms_open.identity.directory.word)
            if self._looked.get(machine) == mark:
                continue
            self._looked[machine] = mark
            known = self.known(machine)
            for name, repository, verb, allowed in decisions(machine, running.rooms_open):
                self._compare(machine, known, name, repository, verb, allowed)

    def _compare(
        self, machine: Machine, known: Known, name: str, repository: str, verb: str, allowed: bool
    ) -> None:
        self.counts["decisions held against the documents"] += 1
        now, who = machine.clock.now_ms() / 1000, known.who(name)
        right = who is not None and known.allows(who, verb, repository, now)
        if allowed is not right:
            self.complain(machine, f"{name} to {verb} in {repository}", allowed)
        if allowed and not (verb == "pull" and known.is_public(repository)):
            self._insist_on_a_grant(machine, known, name, repository)

    def complain(self, machine: Machine, what: str, allowed: bool) -> None:
        verb = "allows" if allowed else "refuses"
        self.violations.append(
            f"access: {machine.address} {verb} {what}, against its documents, "
            f"{self._world.loop.time():.3f}"
        )

    def _insist_on_a_grant(
        self, machine: Machine, known: Known, name: str, repository: str
    ) -> None:
        """Who was made anew has what was granted since, and the same in a project made anew."""
        project = repository.partition("/")[0]
        born = self._born(known, "robot" if "+" in name else "user", name)
        place_born = self._born(known, "access", project)
        of = {name: born}
        joined = [c.op.end for c in self.changes if c.what == "put_in" and c.names[1] == name]
        group_born = self._born(known, "group", GROUP)
        if max(joined, default=0.0) > max(born, group_born):
            of[f"@{GROUP}"] = group_born
        for change in self.changes:
            if change.what == "grant" and change.names[1] in of:
                place, subject = change.names
                after = max(of[subject], place_born if place == project else 0.0)
                if place in (project, "*") and change.op.end > after:
                    return
        self.violations.append(
            f"inherited: {machine.address} allows {name} in {repository}, granted before "
            f"{max(born, place_born):.3f} only"
        )

    def _born(self, known: Known, kind: str, name: str) -> float:
        """When the making began of what has that name there, whatever its id."""
        makings = known.makings(kind, name)
        starts = (change.op.start for change in self.changes if makings & {*change.op.dots})
        return max(starts, default=0.0)

    # --- tokens ----------------------------------------------------------------------------------

    def used(
        self, machine: Machine, running: Running, token: Token | None, verb: str, repository: str,
        allowed: bool,
    ) -> None:  # fmt: skip
        """What the door said to a token, or to a stranger."""
        if token is not None and allowed:
            self._insist_on_life(machine, token)
        if not self.can_tell(machine, running):
            return
        self.counts["decisions held against the documents"] += 1
        known, now = self.known(machine), machine.clock.now_ms() / 1000
        account = ("", "", "") if token is None else token.account
        who = known.logged_in(account, now)
        right = who is not None and known.allows(who, verb, repository, now)
        if token is not None:
            verbs, made_for = token.access.get(repository, (frozenset(), ""))
            right = right and verb in verbs and made_for == known.project(repository)
            right = right and self._is_valid(known, token, now)
        if allowed is not right:
            whose = "a stranger" if token is None else f"the token of {token.account[1]}"
            self.complain(machine, f"{whose} to {verb} in {repository}", allowed)

    def _is_valid(self, known: Known, token: Token, now: float) -> bool:
        in_time = token.wall_at - LEEWAY_S <= now < token.ends
        return in_time and known.is_key(token.key, now)

    def _insist_on_life(self, machine: Machine, token: Token) -> None:
        """However long its node has been cut off, a token ends with its life."""
        life_s = token.ends - token.wall_at
        over_s = self._world.loop.time() - token.at - life_s
        if over_s <= SKEW_S:
            return
        if max(abs(token.skew_ms), abs(machine.clock.offset_ms())) > MAX_OFFSET_MS:
            self._world.excused.note("a clock was wrong")
        else:
            self.violations.append(
                f"life: {machine.address} takes a token {over_s:.1f} s after its end"
            )

    def renewed(
        self, machine: Machine, running: Running, token: Token, op: Op, accepted: bool
    ) -> None:
        """What a node said to a refresh token."""
        if accepted:
            self._insist_on_majority(machine, running, op)
        if not self.can_tell(machine, running):
            return
        self.counts["decisions held against the documents"] += 1
        known, now = self.known(machine), machine.clock.now_ms() / 1000
        valid = self._is_valid(known, token, now)
        right = valid and known.logged_in(token.account, now) is not None
        if accepted is not right:
            self.complain(machine, f"{token.account[1]} to renew a token", accepted)

    def logged_in(
        self, machine: Machine, running: Running, account: tuple[str, str, str] | None, op: Op,
        name: str, secret: str,
    ) -> None:  # fmt: skip
        """Who a node took somebody for."""
        if account is not None:
            self._insist_on_majority(machine, running, op)
        if not self.can_tell(machine, running):
            return
        self.counts["decisions held against the documents"] += 1
        known, now = self.known(machine), machine.clock.now_ms() / 1000
        who, which = known.who(name), secret.split("_")
        right = who is not None and not who.is_over(now)
        if right and which[0] == "atoll":
            assert who is not None
            how = (who.id, name, f"credential/{which[1]}")
            right = known.logged_in(how, now) is not None
        elif right:
            assert who is not None
            right = not who.project and known.is_password(who.id, secret)
        if (account is not None) is not right:
            self.complain(machine, f"{name} to log in", account is not None)

    def _insist_on_majority(self, machine: Machine, running: Running, op: Op) -> None:
        """Nobody is let in where most voters have been out of reach for longer than the bound."""
        self.answers.append((op, machine.disk, machine.disk.vector()))
        config = machine.config
        # A link is up until several greetings in a row have not been answered.
        noticed_s = config.heartbeat_misses * (
            config.heartbeat_remote_interval_s + config.heartbeat_timeout_s
        )
        bound_s = self._world.plan.identity["login_cutoff_s"] + noticed_s + LATE_S
        apart_s = self._world.loop.time() - running.rooms_open.majority_at
        if apart_s > bound_s:
            self.violations.append(
                f"cut off: {machine.address} lets in after {apart_s:.1f} s without most voters: "
                f"{op.kind} {op.number}"
            )

    def sample(self) -> None:
        """Note who can reach most voters now."""
        world = self._world
        up = [m for m in world.everyone() if m.up]
        for machine in up:
            assert machine.running is not None
            voters, _ = machine.running.cluster.layouts.voters()
            there = {m.name for m in up if world.network.is_open(machine.address, m.address)}
            if 2 * len(there.intersection(voters)) > len(voters) or not voters:
                machine.running.rooms_open.majority_at = world.loop.time()

    # --- the end ---------------------------------------------------------------------------------

    def final(self, tokens: Iterable[Token]) -> Iterator[str]:
        """Once all is over: nodes are alike, and nothing is lost."""
        yield from dict.fromkeys(self.violations)
        yield from self._unseen()
        world = self._world
        for change in self.changes:
            for dot in change.op.dots if change.op.outcome == "ok" else ():
                lacking = [m.address for m in world.machines if world.lacks(m, dot)]
                if lacking:
                    yield f"lost at {lacking}: {change.what} {change.names} {change.op}"
        told: dict[Any, dict[bool, list[str]]] = {}
        for machine in world.machines:
            if machine.running is None or not machine.ready:
                continue
            rooms = machine.running.rooms_open
            said = {(n, r, v): yes for n, r, v, yes in decisions(machine, rooms)}
            said |= {
                ("whose", token.account): rooms.identity.login.subject(Account(*token.account))
                is not None
                for token in tokens
            }
            for question, answer in said.items():
                told.setdefault(question, {}).setdefault(answer, []).append(machine.address)
        for question, answers in told.items():
            if len(answers) > 1:
                yield f"decisions differ: {question} is allowed at {answers[True]} only"

    def _unseen(self) -> Iterator[str]:
        """Who lets somebody in has what its region was told before."""
        for read, disk, vector in self.answers:
            for change in self.changes:
                dot = change.op.dot
                if dot is None or disk.reached(vector, dot.origin) >= dot.seq:
                    continue
                if must_be_seen(read, change.op, in_region=True):
                    yield f"stale: {read} without {change.what} {change.names} {change.op}"
                elif change.op.region == read.region and change.op.end <= read.start:
                    self._world.excused.unseen(read, change.op)


def decisions(machine: Machine, rooms: Rooms) -> Iterator[tuple[str, str, str, bool]]:
    """What a node says that everybody may: name, repository, verb and whether."""
    try:
        for name in (*PEOPLE, *ROBOTS):
            subject = rooms.identity.login.named(name)
            for repository in REPOSITORIES:
                for verb, action in ACTIONS.items():
                    allowed = (
                        subject is not None
                        and rooms.identity.authorizer.decide(subject, action, repository).allowed
                    )
                    yield name, repository, verb, allowed
    except StorageFailure:
        return
