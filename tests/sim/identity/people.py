"""Operators who change accounts at any node, and clients who log in, renew tokens and use them."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final

from joserfc import jws

from node.identity.accounts import Accounts
from node.identity.actions import Role, Verb
from node.identity.documents import NEVER, Deny
from node.identity.errors import Unauthenticated
from node.identity.login import Account
from node.identity.scopes import REPOSITORY, Scope
from node.identity.tokens import Issued
from tests.sim.history import Op
from tests.sim.identity.judge import LOOK_S, SAMPLE_S, Change, Judge, Token
from tests.sim.identity.plan import GROUP, PEOPLE, PROJECTS, REPOSITORIES, ROBOTS
from tests.sim.identity.rooms import VERBS
from tests.sim.machine import Machine, Running
from tests.sim.plan import Step

if TYPE_CHECKING:
    from tests.sim.world import World

Doing = Callable[[Accounts], Awaitable[Any]]

PASSWORDS: Final = ("first-password", "second-password")
RECENT: Final = 6
"""Of the tokens and secrets, those that are tried most."""


class People:
    """Carries out the steps of a plan that are about accounts."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.judge = Judge(world)
        self.secrets: list[tuple[str, str]] = [
            (name, password) for name in PEOPLE for password in PASSWORDS
        ]
        """Log-in names, and what may be their secrets."""
        self.tokens: list[Token] = []

    async def watch(self) -> None:
        """Look at what the nodes decide, for ever."""
        looks_at = 0.0
        while True:
            self.judge.sample()
            if self._world.loop.time() >= looks_at:
                self.judge.look()
                looks_at = self._world.loop.time() + LOOK_S
            await asyncio.sleep(SAMPLE_S)

    async def carry_out(self, step: Step) -> None:
        """Do what *step* says, at a node of its region; nothing where there is none."""
        if step["do"] == "found":
            await self._found(step)
            return
        machine = self._world.clients.pick(step["region"], step["salt"])
        if machine is not None:
            await self.at(machine, step)

    async def at(self, machine: Machine, step: Step) -> Op | None:
        """Do what *step* says at that node; None: there was nothing to do it with."""
        match step["do"]:
            case "change":
                return await self._change(machine, step)
            case "log_in":
                return await self._log_in(machine, step)
            case "renew":
                return await self._renew(machine, step)
            case _:
                return await self._use(machine, step)

    async def _found(self, step: Step) -> None:
        """An operator makes everything, one after another."""
        made = [
            *({"what": "create_project", "project": project} for project in PROJECTS),
            *({"what": "create", "who": who} for who in (*PEOPLE, *ROBOTS)),
            {"what": "create_group"},
            {"what": "put_in", "who": PEOPLE[0]},
            *({"what": "secret", "who": who} for who in (*PEOPLE, *ROBOTS)),
            *(
                {"what": "grant", "who": who, "project": project, "salt": 1 + 7 * number}
                for number, who in enumerate((*PEOPLE, *ROBOTS, PEOPLE[0]))
                for project in PROJECTS
                if "+" not in who or who.startswith(project)
            ),
        ]
        for more in made:
            machine = self._world.clients.pick(step["region"], step["salt"])
            if machine is not None:
                await self._change(machine, {**step, "do": "change", **more})

    # --- operators -------------------------------------------------------------------------------

    async def _change(self, machine: Machine, step: Step) -> Op:
        what, who = step["what"], step["who"]
        if what in ("recreate", "recreate_project"):
            # At once: what names the old one is still on its way.
            gone = {**step, "what": "delete" if what == "recreate" else "delete_project"}
            await self._change(machine, gone)
            what = "create" if what == "recreate" else "create_project"
            step = {**step, "what": what}
        names, doing = self._doing(what, who, step["project"], step["salt"])

        async def work(running: Running, op: Op) -> None:
            await doing(running.rooms_open.identity.accounts)

        op = self._op("change", machine, f"{what} {' '.join(names)}")
        change = Change(op, what, names)
        self.judge.changes.append(change)
        await self._ask(machine, op, work)
        if op.outcome == "ok":
            self.judge.look()
        return op

    def _doing(self, what: str, who: str, project: str, salt: int) -> tuple[tuple[str, ...], Doing]:
        """What it is about, and what does it."""
        is_robot = "+" in who
        place = who.partition("+")[0] if is_robot else ("*" if salt % 5 == 0 else project)
        subject = who if is_robot or salt % 4 else f"@{GROUP}"
        match what:
            case "grant":
                role = (Role.PULLER, Role.PUSHER, Role.MAINTAINER)[salt % 3]
                within = [f"{place}/*"] if place != "*" and salt % 7 == 0 else []
                return (place, subject), lambda it: it.grant(place, subject, role, within, NEVER)
            case "revoke":
                return (place, subject), lambda it: it.revoke(place, subject)
            case "deny" | "open" | "close" | "create_project":
                verb = (Verb.PULL, Verb.PUSH, Verb.DELETE)[salt % 3]
                denied = "*" if salt % 2 else (who if not is_robot or place == project else "*")
                rule = Deny(denied, verb, f"{project}/*")
                denies = [rule] if what == "deny" else []
                public = what == "open"
                return (project,), lambda it: it.put_project(project, public=public, denies=denies)
            case "delete_project":
                return (project,), lambda it: it.delete_project(project)
            case "create" | "enable" | "disable":
                makes, off = what == "create", what == "disable"
                if is_robot:
                    return (who,), lambda it: it.put_robot(
                        who, expires=NEVER, disabled=off, create=makes
                    )
                password = PASSWORDS[0] if makes else None
                return (who,), lambda it: it.put_user(
                    who, password=password, disabled=off, create=makes
                )
            case "delete":
                return (who,), lambda it: it.delete_robot(who) if is_robot else it.delete_user(who)
            case "put_in" | "take_out":
                user = PEOPLE[salt % 2] if is_robot else who
                is_in = what == "put_in"
                return (GROUP, user), lambda it: it.set_member(GROUP, user, is_member=is_in)
            case "delete_group":
                return (GROUP,), lambda it: it.delete_group(GROUP)
            case "create_group":
                return (GROUP,), lambda it: it.create_group(GROUP)
            case "password":
                user = PEOPLE[salt % 2] if is_robot else who
                return (user,), lambda it: it.set_password(user, PASSWORDS[salt // 2 % 2])
            case "secret":
                return (who,), lambda it: self._add_secret(it, who, salt)
            case "revoke_secret":
                return (who,), lambda it: self._revoke_secret(it, who, salt)
            case _:
                assert what == "revoke_key", what
                return (), lambda it: self._revoke_key(it, salt)

    async def _add_secret(self, accounts: Accounts, who: str, salt: int) -> None:
        role = Role.ADMIN if salt % 3 else Role.PULLER
        made = await accounts.add_credential(
            who, "of a plan", expires=NEVER, role=role, patterns=()
        )
        self.secrets.append((who, made.secret.text))

    async def _revoke_secret(self, accounts: Accounts, who: str, salt: int) -> None:
        made = [text.split("_")[1] for name, text in self.secrets if name == who and "_" in text]
        if made:
            await accounts.revoke_credential(who, _recent(made, salt))

    async def _revoke_key(self, accounts: Accounts, salt: int) -> None:
        keys = list(dict.fromkeys(token.key for token in self.tokens))
        if keys:
            await accounts.revoke_key(_recent(keys, salt))

    # --- clients ---------------------------------------------------------------------------------

    async def _log_in(self, machine: Machine, step: Step) -> Op | None:
        known = [pair for pair in self.secrets if pair[0] == step["who"]]
        if not known:
            return None
        name, secret = _recent(known, step["salt"])

        async def work(running: Running, op: Op) -> None:
            account = await running.rooms_open.identity.login.log_in(name, secret)
            self.judge.logged_in(machine, running, account, op, name, secret)
            await self._issue(machine, running, account)

        op = self._op("log_in", machine, name)
        await self._ask(machine, op, _without_events(work))
        return op

    async def _renew(self, machine: Machine, step: Step) -> Op | None:
        known = [token for token in self.tokens if token.kind == "refresh"]
        if not known:
            return None
        token = _recent(known, step["salt"])

        async def work(running: Running, op: Op) -> None:
            account = await running.rooms_open.identity.tokens.refresh(token.text)
            self.judge.renewed(machine, running, token, op, account is not None)
            await self._issue(machine, running, account)

        op = self._op("renew", machine, token.account[1])
        await self._ask(machine, op, _without_events(work))
        return op

    async def _issue(self, machine: Machine, running: Running, account: Account | None) -> None:
        if account is None:
            raise Unauthenticated("nobody is that, or not any more")
        identity, loop = running.rooms_open.identity, self._world.loop
        await identity.ensure_key()
        scopes = [Scope(REPOSITORY, name, tuple(VERBS.values())) for name in REPOSITORIES]
        issued = identity.tokens.issue(account, scopes, refresh=True)
        now, life_s = machine.clock.now_ms() / 1000, self._world.plan.identity["token_life_s"]
        access = {each.name: (frozenset(each.actions), each.project) for each in _access(issued)}
        for kind, text, ends in (
            ("access", issued.token, now + life_s),
            ("refresh", issued.refresh, float("inf")),
        ):
            assert text is not None, "it was asked for"
            self.tokens.append(
                Token(
                    text, kind, tuple(account), _key_of(text), machine, loop.time(), now, ends,
                    access, machine.clock.offset_ms(),
                )
            )  # fmt: skip

    async def _use(self, machine: Machine, step: Step) -> Op:
        known = [token for token in self.tokens if token.kind == "access"]
        token = _recent(known, step["salt"]) if known and step["salt"] % 8 else None
        project, verb = step["project"], step["verb"]
        [repository] = [name for name in REPOSITORIES if name.startswith(f"{project}/")]

        async def work(running: Running, op: Op) -> None:
            text = "" if token is None else token.text
            allowed = await running.rooms_open.admits(text, verb, repository)
            self.judge.used(machine, running, token, verb, repository, allowed)
            if not allowed:
                raise Unauthenticated("not let in")

        whose = "a stranger" if token is None else token.account[1]
        op = self._op("use", machine, f"{verb} by {whose}", repository)
        await self._ask(machine, op, _without_events(work))
        return op

    # ---------------------------------------------------------------------------------------------

    def _op(self, kind: str, machine: Machine, what: str, repo: str = "accounts") -> Op:
        history = self._world.clients.history
        op = Op(len(history), kind, machine.region, repo, what, machine.address, 0.0)
        op.start = self._world.loop.time()
        history.append(op)
        self._world.met(op)
        return op

    async def _ask(
        self, machine: Machine, op: Op, work: Callable[[Running, Op], Coroutine[Any, Any, None]]
    ) -> None:
        await self._world.clients.request(machine, op, work)
        self.judge.counts[f"{op.kind}: {op.outcome}"] += 1


def _without_events(
    work: Callable[[Running, Op], Coroutine[Any, Any, None]],
) -> Callable[[Running, Op], Coroutine[Any, Any, None]]:
    """*work* that promises nobody an event: a key that it publishes is its node's affair."""

    async def quietly(running: Running, op: Op) -> None:
        try:
            await work(running, op)
        finally:
            op.dots.clear()

    return quietly


def _access(issued: Issued) -> Any:
    return issued.claims.access


def _key_of(text: str) -> str:
    """The name of the key that signed a token."""
    header: dict[str, str] = jws.extract_compact(text.encode()).headers()
    return header["kid"]


def _recent(things: list[Any], salt: int) -> Any:
    """One of the last of them, mostly."""
    if salt % 3:
        things = things[-RECENT:]
    return things[salt // 3 % len(things)]
