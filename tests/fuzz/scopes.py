"""What tokens are asked for at /token, by people whose rights a small model knows as well."""

from collections.abc import Iterable, Sequence
from typing import ClassVar, Final, NamedTuple
from urllib.parse import quote

import msgspec
from hypothesis import strategies as st

from node.http.limits import DOCUMENT_BYTES, LINE_BYTES
from node.identity.actions import Role, Verb
from node.identity.documents import Deny, RoleGrant, encode
from node.identity.errors import ScopeInvalid
from node.identity.scopes import SCOPES_MAX, parse_scopes
from node.registry.values import PutSetting
from node.shares.lockout import Lockout
from tests.api.conftest import StartRegistry
from tests.api.scene import OPERATOR, PASSWORD, Fields, a_scene, basic
from tests.api.wire import Reply
from tests.fuzz.asking import Asker
from tests.fuzz.edits import mutated_text
from tests.fuzz.forgery import Part, parts_of
from tests.fuzz.names import fits, is_repository
from tests.fuzz.target import Target, must

_VERBS: Final = ("pull", "push", "delete")
"""In the order of the roles that they take: 1, 2 and 3."""


class Grant(NamedTuple):
    who: str
    project: str
    role: int
    patterns: Sequence[str] = ()


_GRANTS: Final = (
    Grant("ann", "lib", 2),
    Grant("bob", "lib", 1, ("lib/team/**", "lib/*/x")),
    Grant("bob", "bobs", 3),
    Grant("@ops", "lib2", 4),
    Grant("eve", "*", 1),
    Grant("lib+ci", "lib", 3, ("lib/ci/*",)),
)
_DENIES: Final = (
    ("bobs", "bob", "push", "bobs/locked"),
    ("bobs", "*", "delete", "bobs/keep/**"),
    ("pub", "ann", "pull", "pub/secret"),
)
_MEMBERS: Final = {"carl": "@ops"}
_PROJECTS: Final = {"lib": False, "lib2": False, "bobs": False, "pub": True}
"""Whether they are public."""

_LESSER: Final = ("ann-token", 1, ("lib/app",))
"""A token that ann has made for herself, for less than she may."""

_PEOPLE: Final = ("", "ann", "bob", "carl", "eve", "lib+ci", "ann-token", "operator")


def may(who: str, verb: str, repository: str) -> bool:
    """What the policy allows, once more."""
    project, _, _ = repository.partition("/")
    if who == "operator":
        return True
    person = "ann" if who == "ann-token" else who
    names = {person, _MEMBERS.get(person, "")} - {""}
    parts, takes = repository.split("/"), _VERBS.index(verb) + 1
    for where, whom, denied, pattern in _DENIES:
        concerns = where == project and whom in (*names, "*") and denied in ("pull", verb)
        if concerns and fits(pattern.split("/"), parts):
            return False
    if verb == "pull" and _PROJECTS.get(project):
        return True
    if who == "ann-token":
        _, most, patterns = _LESSER
        if takes > most or not any(fits(each.split("/"), parts) for each in patterns):
            return False
    for grant in _GRANTS:
        here = grant.project == project or (grant.project == "*" and "+" not in person)
        inside = not grant.patterns or any(fits(p.split("/"), parts) for p in grant.patterns)
        if grant.who in names and here and grant.role >= takes and inside:
            return True
    return False


def allowed(who: str, texts: Iterable[str]) -> dict[tuple[str, str], set[str]] | None:
    """What a token is for that is asked for by *texts*; None: it is asked for too much."""
    words = [word for text in texts for word in text.split()]
    if len(words) > SCOPES_MAX:
        return None
    found: dict[tuple[str, str], set[str]] = {}
    for word in words:
        kind, *middle = word.split(":")
        if len(middle) < 2:
            continue
        name, asked = ":".join(middle[:-1]), set(middle[-1].split(","))
        if kind == "registry" and name in ("catalog", "atoll") and middle[-1] == "*" and who:
            found[kind, name] = {"*"}
        if kind == "repository" and is_repository(name):
            wanted = set(_VERBS) if "*" in asked else asked & set(_VERBS)
            verbs = {verb for verb in wanted if may(who, verb, name)}
            if verbs:
                found.setdefault((kind, name), set()).update(verbs)
    return found


class ScopeInput(msgspec.Struct, frozen=True):
    who: str
    scopes: list[str]
    as_form: bool
    target: str
    """The repository that the token is tried at."""


class Scopes(Target):
    """A token is for what was asked, as far as its owner may, and opens just that."""

    name: ClassVar = "scopes"
    input_type: ClassVar = ScopeInput
    expected: ClassVar = frozenset(
        {"for pull", "for pull,push", "for delete,pull,push", "for nothing", "for *", "400",
         "opened", "refused"}
    )  # fmt: skip

    def inputs(self) -> st.SearchStrategy[ScopeInput]:
        repository = st.one_of(
            st.sampled_from(
                ["lib/app", "lib2/app", "bobs/app", "pub/app", "pub/secret", "bobs/locked",
                "lib/ci/a",
                 "bobs/keep/it", "lib/team/a/b", "lib/a/x", "lib/ci", "none/app", "lib", "libs/app"]
            ),
            st.text("lib/aA.:*", max_size=8),
        )  # fmt: skip
        verbs = st.one_of(
            st.sampled_from(["pull", "pull,push", "pull,push,delete", "*"]),
            st.sampled_from(["pull", "pull,push", "pull,push,delete", "*"]),
            st.lists(
                st.sampled_from([*_VERBS, "pull", "push", "*", "catalog", "", "PULL", "pull "]),
                max_size=4,
            ).map(",".join),
        )
        known = st.sampled_from(
            [
                "lib/app",
                "lib2/app",
                "bobs/app",
                "lib/team/a/b",
                "lib/ci/a",
                "pub/secret",
                "bobs/locked",
                "bobs/keep/it",
                "lib/a/x",
                "lib/apple",
            ]
        )
        scope = st.one_of(
            st.builds("repository:{}:{}".format, known, verbs),
            st.builds("repository:{}:{}".format, repository, verbs),
            st.builds("repository:{}:{}".format, repository, verbs),
            st.sampled_from(
                ["registry:catalog:*", "registry:atoll:*", "registry:catalog:pull", "registry::*",
                 "repository(plugin):lib/app:pull", "repository:h:5000/lib/app:pull", "x", "a:b:c",
                 "repository:lib/app:", "repository::pull", ":::", "registry:catalog:*,pull"]
            ),
        )  # fmt: skip
        texts = st.one_of(scope, scope, scope, mutated_text(scope, 2))
        several = st.one_of(
            st.lists(texts, min_size=1, max_size=3),
            st.lists(texts, min_size=1, max_size=3),
            st.just([]),
            st.lists(texts, min_size=1, max_size=3).map(lambda each: [" ".join(each)]),
            st.builds(lambda text, n: [text] * n, texts, st.sampled_from([31, 32, 33, 130])),
        )
        return st.builds(
            ScopeInput,
            st.sampled_from(["ann", *_PEOPLE, "bob", "carl"]),
            several,
            st.booleans(),
            repository.filter(is_repository),
        )

    async def open(self, start: StartRegistry) -> None:
        self._scene = await a_scene(start)
        self.registry = self._scene.registry
        self.asker = Asker(self.registry)
        accounts = self._scene.accounts
        for name in ("carl", "eve"):
            await accounts.put_user(name, password=PASSWORD, disabled=False, create=True)
        await accounts.create_group("ops")
        await accounts.set_member("ops", "carl", is_member=True)
        await accounts.put_robot("lib+ci", expires=0.0, disabled=False, create=True)
        for project, public in _PROJECTS.items():
            denies = [
                Deny(who, Verb(verb), pattern)
                for at, who, verb, pattern in _DENIES
                if at == project
            ]
            await accounts.put_project(project, public=public, denies=denies)
        for grant in _GRANTS:
            await accounts.grant(grant.project, grant.who, Role(grant.role), grant.patterns, 0.0)
        # Written by who does not go by the rules: a robot has nothing outside its project.
        robot = self._scene.identity.directory.robot("lib+ci")
        assert robot is not None
        grant_of_all = encode(RoleGrant(robot.id, "lib+ci", Role.PULLER))
        await self.registry.index.metadata.put(PutSetting("grant", f"*/{robot.id}", grant_of_all))
        _, role, patterns = _LESSER
        token = await accounts.add_credential(
            "ann", "less", expires=0.0, role=Role(role), patterns=patterns
        )
        secret = await accounts.add_credential(
            "lib+ci", "ci", expires=0.0, role=Role.ADMIN, patterns=()
        )
        self._logins: dict[str, Fields] = {
            "": {},
            **{name: basic(name) for name in ("ann", "bob", "carl", "eve")},
            "lib+ci": basic("lib+ci", secret.secret.text),
            "ann-token": basic("ann", token.secret.text),
            "operator": OPERATOR,
        }
        self._passwords = {
            **dict.fromkeys(("ann", "bob", "carl", "eve"), PASSWORD),
            "lib+ci": secret.secret.text,
        }

    def forget(self) -> None:
        super().forget()
        self._scene.identity.login._remembered.clear()

    async def attempt(self, given: ScopeInput) -> list[str]:
        self._scene.identity.attempts._lockout = Lockout()  # its own network, as in `tokens`
        self._parsed(given)
        as_form = given.as_form and given.who in self._passwords
        if as_form:
            texts, reply = [" ".join(given.scopes)], await self._posted(given)
        else:
            # A bare plus is a plus in queries, so none is sent as what it would be elsewhere.
            texts = given.scopes
            query = "&".join(f"scope={quote(text, safe='')}" for text in texts)
            reply = await self.asker.ask("GET", f"/token?{query}", dict(self._logins[given.who]))
        if reply.status == 414:
            must(not as_form and len(query) > LINE_BYTES.number - 1000, "not so long", given, reply)
            return ["414"]
        if reply.status == 413:
            large = len(quote(texts[0], safe="")) > DOCUMENT_BYTES.number - 1000
            must(as_form and large, "not so large", given, reply)
            return ["413"]
        wanted = allowed(given.who, texts)
        if reply.status == 400:
            must(wanted is None or len(texts) > 128, "refused", given, reply)
            return ["400"]
        must(reply.status == 200 and wanted is not None, given, reply)
        token = msgspec.json.decode(reply.body)["token"]
        _, claims = parts_of(token)
        granted = _granted(claims)
        must(granted == wanted, "granted", granted, "of", given, "which are", wanted)
        outcomes = [f"for {','.join(sorted(verbs))}" for verbs in granted.values()] or [
            "for nothing"
        ]
        return [*outcomes, await self._tried(given.target, token, granted)]

    async def _tried(
        self, target: str, token: str, granted: dict[tuple[str, str], set[str]]
    ) -> str:
        """The token at a repository: it opens what it is for."""
        path, who = f"/v2/{target}/blobs/uploads/", {"Authorization": f"Bearer {token}"}
        begun = await self.asker.ask("POST", path, dict(who))
        may_push = "push" in granted.get(("repository", target), set())
        must((begun.status == 202) == may_push, target, granted, begun)
        if begun.status == 202:
            ended = await self.asker.ask("DELETE", begun.fields[b"location"], dict(who))
            must(ended.status == 204, target, ended)
        read = await self.asker.ask("GET", f"/v2/{target}/manifests/v1", dict(who))
        there = target in ("lib/app", "lib2/app", "bobs/app", "pub/app")
        may_pull = "pull" in granted.get(("repository", target), set())
        must((read.status == 200) == (may_pull and there), target, granted, read)
        return "opened" if begun.status == 202 or read.status == 200 else "refused"

    async def _posted(self, given: ScopeInput) -> Reply:
        name, password = given.who, self._passwords[given.who]
        scope = quote(" ".join(given.scopes), safe="")
        form = (
            f"grant_type=password&username={quote(name)}&password={quote(password)}&scope={scope}"
        )
        return await self.asker.ask("POST", "/token", {}, form.encode())

    def _parsed(self, given: ScopeInput) -> None:
        try:
            found = parse_scopes(given.scopes)
        except ScopeInvalid:
            return
        for scope in found:
            verbs = set(scope.verbs)
            again = parse_scopes([str(scope)]) if scope.kind == "repository" else [scope]
            must(again == [scope], "a scope is not what it was written as", scope, again)
            must(bool(verbs), "a scope of nothing", scope)


def _granted(claims: Part) -> dict[tuple[str, str], set[str]]:
    return {(each["type"], each["name"]): set(each["actions"]) for each in claims["access"]}
