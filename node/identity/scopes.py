"""Scopes of tokens: `repository:lib/app:pull,push`, as clients ask for them and tokens have
them."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from node.errors import NameInvalid
from node.identity.actions import Reach, Rule, Verb
from node.identity.errors import ScopeInvalid
from node.registry.names import RepositoryName

REPOSITORY: Final = "repository"
REGISTRY: Final = "registry"
CATALOG: Final = "catalog"
OPERATIONS: Final = "atoll"
"""The name of the registry's own scope for all that is not the Distribution API."""

SCOPES_MAX: Final = 32
"""Scopes in one token: a mount takes two, buildkit asks for one per repository of a build."""

_OF_REPOSITORIES: Final = (Verb.PULL, Verb.PUSH, Verb.DELETE)


class Scope(NamedTuple):
    """What a token is asked for, of one object."""

    kind: str
    name: str
    verbs: tuple[Verb, ...]

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}:{','.join(self.verbs)}"


def parse_scopes(texts: Iterable[str]) -> list[Scope]:
    """
    Read what clients send: several parameters, each with several scopes. What is not known here is
    left out, as the protocol asks.

    Raises:
        ScopeInvalid: there are too many.
    """
    words = [word for text in texts for word in text.split()]
    if len(words) > SCOPES_MAX:
        raise ScopeInvalid(f"a token has at most {SCOPES_MAX} scopes")
    merged: dict[tuple[str, str], dict[Verb, None]] = {}
    for word in words:
        found = _parse(word)
        if found is not None:
            merged.setdefault(found[:2], {}).update(dict.fromkeys(found.verbs))
    # In one order, whichever a client asks in: a scope is what it is written as.
    return [Scope(*key, tuple(filter(verbs.__contains__, Verb))) for key, verbs in merged.items()]


def scope_for(rule: Rule, repository: str) -> str:
    """What to ask for to do what takes *rule*; empty: any token will do."""
    match rule.verb:
        case Verb.NONE:
            return ""
        case Verb.CATALOG:
            return f"{REGISTRY}:{CATALOG}:*"
        case Verb.OPERATE:
            return f"{REGISTRY}:{OPERATIONS}:*"
        case Verb.PULL:
            verbs: tuple[Verb, ...] = (Verb.PULL,)
        case verb:
            verbs = (Verb.PULL, verb)
    assert rule.reach is Reach.REPOSITORY, "its verbs are those of repositories"
    return str(Scope(REPOSITORY, repository, verbs))


def covers(access: Sequence[Scope], rule: Rule, repository: str) -> bool:
    """Whether a token with *access* is for what takes *rule* in *repository*."""
    if rule.verb is Verb.NONE:
        return True
    if rule.verb in _OF_REPOSITORIES:
        wanted = (REPOSITORY, repository)
    else:
        wanted = (REGISTRY, CATALOG if rule.verb is Verb.CATALOG else OPERATIONS)
    return any(each[:2] == wanted and rule.verb in each.verbs for each in access)


def _parse(word: str) -> Scope | None:
    kind, _, rest = word.partition(":")
    name, _, asked = rest.rpartition(":")
    actions = asked.split(",")
    if kind == REGISTRY:
        verb = {CATALOG: Verb.CATALOG, OPERATIONS: Verb.OPERATE}.get(name)
        return None if verb is None or actions != ["*"] else Scope(kind, name, (verb,))
    if kind != REPOSITORY:
        return None
    try:
        repository = RepositoryName.parse(name)
    except NameInvalid:
        return None
    verbs = [verb for verb in _OF_REPOSITORIES if verb in actions or "*" in actions]
    return Scope(kind, str(repository), tuple(verbs)) if verbs else None
