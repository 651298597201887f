"""
The reference: what the documents say that a node has, written a second time.

No merging and no state: the events that it has, those of them that no other names, and of these
each by itself. Something is so where *every* one of them says so. Nothing of `node.identity` is in
here; documents are the JSON that they are.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from cluster.model import Dot, Event
from cluster.objects.events import Write, decode_body

Doc = dict[str, Any]

NEEDED = {"pull": 1, "push": 2, "delete": 3}
"""The role that each takes."""


class DocVersion(NamedTuple):
    """A version of a document."""

    dot: Dot
    kind: str
    name: str
    replaces: frozenset[Dot]
    doc: Doc


def version_in(event: Event) -> DocVersion | None:
    """The version of a document that an event brings; None: it is about something else."""
    if event.key.collection != "setting":
        return None
    body = decode_body(event)
    assert isinstance(body, Write)
    assert body.value is not None, "documents are never deleted"
    _, kind, name = event.key
    doc = msgspec.json.decode(body.value)
    return DocVersion(event.dot, kind, name, frozenset(body.replaces), doc)


class Who(NamedTuple):
    """Somebody, as the documents have them."""

    id: str
    ids: frozenset[str]
    """With those of their groups."""

    project: str = ""
    """The id of a robot's."""

    role: int = 4
    within: tuple[Any, ...] = ()
    until: tuple[float, ...] = ()
    """Times at which it ends, each of them."""

    def is_over(self, now: float) -> bool:
        return any(now >= end for end in self.until)


STRANGER = Who("", frozenset())


class Known:
    """What is known where *has* says which events are there."""

    def __init__(self, versions: Iterable[DocVersion], has: Callable[[Dot], bool]) -> None:
        self._here = here = {v.dot: v for v in versions if has(v.dot)}
        self._makings: dict[tuple[str, str], set[Dot]] = {}
        gone = {dot for version in here.values() for dot in version.replaces}
        self._heads: dict[str, dict[str, list[Doc]]] = defaultdict(lambda: defaultdict(list))
        for version in here.values():
            if version.dot not in gone:
                self._heads[version.kind][version.name].append(version.doc)

    def alive(self, kind: str, name: str) -> list[Doc]:
        """The versions of a document of which none is deleted, and all are of one object."""
        heads = self._heads[kind].get(name, [])
        same = len({head["id"] for head in heads}) == 1
        return heads if same and not any(head.get("deleted") for head in heads) else []

    def makings(self, kind: str, name: str) -> set[Dot]:
        """
        The versions that made the object anew: those that take the place of no version that stands
        for the same one. Whoever gave a second one the id of the first would have made two of it.
        """
        found = self._makings.get((kind, name))
        if found is None:
            of = [v for v in self._here.values() if (v.kind, v.name) == (kind, name)]
            found = {v.dot for v in of if not v.doc.get("deleted") and not self._goes_on(v)}
            self._makings[kind, name] = found
        return found

    def _goes_on(self, version: DocVersion) -> bool:
        before = [self._here[dot].doc for dot in version.replaces if dot in self._here]
        own = version.doc["id"]
        return any(doc["id"] == own and not doc.get("deleted") for doc in before)

    def who(self, name: str) -> Who | None:
        """Somebody by their log-in name; None: there is nobody, or nobody who may come in."""
        heads = self.alive("robot" if "+" in name else "user", name)
        if not heads or any(head.get("disabled") for head in heads):
            return None
        own: str = heads[0]["id"]
        if "+" not in name:
            return Who(own, frozenset({own, *self._groups(own)}))
        projects = {head.get("project", "") for head in heads}
        if len(projects) > 1 or "" in projects:
            return None
        return Who(own, frozenset({own}), *projects, until=tuple(_ends(heads)))

    def _groups(self, user: str) -> Iterator[str]:
        for name in list(self._heads["membership"]):
            owner, _, group = name.partition("/")
            heads = self.alive("membership", name) if owner == user else []
            named = {head.get("group", "") for head in heads}
            if len(named) == 1:
                found = self.alive("group", *named)
                if found and found[0]["id"] == group:
                    yield group

    def logged_in(self, account: tuple[str, str, str], now: float) -> Who | None:
        """Somebody by what their token says: id, name, and how they logged in."""
        own, name, how = account
        if not own:
            return STRANGER
        who = self.who(name)
        if who is None or who.id != own or who.is_over(now):
            return None
        kind, _, which = how.partition("/")
        if kind == "password":
            heads = self.alive("password", own)
            right = {head["id"] for head in heads} == {which} and len(_all(heads, "hash")) == 1
            return who if right and not who.project else None
        heads = self.alive("credential", f"{own}/{which}")
        who = who._replace(
            role=min((head.get("role", 4) for head in heads), default=0),
            within=tuple(each for head in heads for each in head.get("within", ())),
            until=(*who.until, *_ends(heads)),
        )
        return who if heads and not who.is_over(now) else None

    def is_password(self, own: str, password: str) -> bool:
        """Whether it is the one of the user with that id."""
        return _all(self.alive("password", own), "hash") == {f"plain {password}"}

    def project(self, repository: str) -> str:
        """The id of a repository's project; empty where there is none."""
        heads = self.alive("access", repository.partition("/")[0])
        return heads[0]["id"] if heads else ""

    def is_public(self, repository: str) -> bool:
        heads = self.alive("access", repository.partition("/")[0])
        return bool(heads) and all(head.get("public") for head in heads)

    def allows(self, who: Who, verb: str, repository: str, now: float) -> bool:
        """Whether *who* may do that."""
        if who.is_over(now) or self._is_denied(who, verb, repository):
            return False
        if verb == "pull" and self.is_public(repository):
            return True
        own = self.project(repository)
        if who.project and who.project != own:
            return False
        places = [own] if who.project else [own, "*"]
        fits = who.role >= NEEDED[verb] and _fits(who.within, repository)
        return fits and any(
            self._grants(f"{place}/{each}", each, verb, repository, now)
            for place in places
            if place
            for each in who.ids
        )

    def _is_denied(self, who: Who, verb: str, repository: str) -> bool:
        heads = self._heads["access"].get(repository.partition("/")[0], [])
        if any(head.get("deleted") for head in heads):
            return False  # nobody is granted anything there
        return any(
            deny["subject"] in {"*", *who.ids}
            and deny["verb"] in {"pull", verb}
            and _matches(deny["pattern"], repository)
            for head in heads
            for deny in head.get("denies", ())
        )

    def _grants(self, name: str, subject: str, verb: str, repository: str, now: float) -> bool:
        heads = self.alive("grant", name)
        return bool(heads) and all(
            head["id"] == subject
            and head.get("role", 0) >= NEEDED[verb]
            and _fits(head.get("within", ()), repository)
            and not any(now >= end for end in _ends([head]))
            for head in heads
        )

    def is_key(self, name: str, now: float) -> bool:
        """Whether tokens count that the key of that name has signed."""
        heads = self.alive("key", name)
        return len(_all(heads, "x")) == 1 and not any(now >= end for end in _ends(heads))


def _all(heads: list[Doc], field: str) -> set[Any]:
    return {head.get(field) for head in heads}


def _ends(heads: list[Doc]) -> Iterator[float]:
    yield from (head["expires"] for head in heads if head.get("expires", 0.0))


def _fits(within: Iterable[Any], repository: str) -> bool:
    return all(any(_matches(pattern, repository) for pattern in either) for either in within)


def _matches(pattern: str, repository: str) -> bool:
    """Of the patterns that plans have: `lib/*`, or a name."""
    return pattern == repository or pattern == f"{repository.partition('/')[0]}/*"
