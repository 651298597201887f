"""
The rule that joins roles, patterns, denials and tokens. Pure: `authorizer.py` brings the documents.

Default deny: what nothing here allows is refused, and each refusal says why, for `atoll auth why`.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from node.identity.actions import Reach, Role, Rule, Verb
from node.identity.documents import NEVER, ProjectAccess, RoleGrant, Within, is_over, is_void
from node.identity.patterns import matches

ALL: Final = "*"
"""Everybody, or every project. No id is that."""

_DENIABLE: Final = {Verb.PULL, Verb.PUSH, Verb.DELETE}


class Subject(NamedTuple):
    """Who asks, as the documents have them now."""

    id: str
    """Empty: a stranger."""

    name: str
    """The log-in name."""

    groups: frozenset[str] = frozenset()
    """The ids of groups that it is in."""

    only_project: str = ""
    """The id of the one project that a robot is about; empty for people."""

    role: int = Role.ADMIN
    """The most that may be done with the secret that it came with."""

    within: Within = ()
    until: float = NEVER
    """When the robot or the secret expires."""

    operator: bool = False
    """Whoever may read the data directory of this node: all of it is theirs anyway."""

    @property
    def is_known(self) -> bool:
        """Whether it is somebody."""
        return bool(self.id)

    @property
    def ids(self) -> tuple[str, ...]:
        """Those by which it may be granted something."""
        return (self.id, *sorted(self.groups)) if self.id else ()


STRANGER: Final = Subject("", "")


class Decision(NamedTuple):
    """A yes or a no, and why."""

    allowed: bool
    reason: str
    until: float = NEVER
    """Until when it holds, if no document changes."""


Granted = Mapping[str, Sequence[RoleGrant]]
"""What the subject was granted: by the id of the project, and by `ALL`."""


def decide(
    rule: Rule,
    subject: Subject,
    project: ProjectAccess | None,
    granted: Granted,
    repository: str,
    now: float,
) -> Decision:
    """
    Whether *subject* may do in *repository* what takes *rule*.

    Args:
        project: that of the repository; None: nobody has made it.
        repository: for `Reach.PROJECT` the project's name; empty where the action is about none.
        now: seconds since the Unix epoch.
    """
    if rule.reach is Reach.ANYBODY:
        return Decision(True, "anybody may")
    if subject.operator:
        return Decision(True, "by the secret of this node's operator")
    if is_over(subject.until, now):
        return Decision(False, "what they logged in with has expired")
    if rule.reach is Reach.KNOWN:
        if subject.is_known:
            return Decision(True, "anybody who has logged in may", subject.until)
        return Decision(False, "only who has logged in may")
    if rule.reach is Reach.CLUSTER:
        if subject.only_project:
            return Decision(False, "robots are for one project")
        return _by_grants(rule, subject, granted.get(ALL, ()), "", now)
    refusal = _refusal(rule, subject, project, repository)
    if refusal is not None:
        return Decision(False, refusal)
    own = None if is_void(project) else project
    if own is not None and own.public and _is_pull(rule):
        return Decision(True, "the project is public")
    if subject.only_project:
        if own is None or own.id != subject.only_project:
            return Decision(False, "robots may do nothing in projects of others")
        return _by_grants(rule, subject, granted.get(own.id, ()), repository, now)
    grants = (*(() if own is None else granted.get(own.id, ())), *granted.get(ALL, ()))
    return _by_grants(rule, subject, grants, repository, now)


def sees_some(subject: Subject, project: ProjectAccess | None, granted: Granted) -> bool:
    """
    Whether *subject* may perhaps pull some repository of *project*: as `decide`, without what
    patterns, denials and time take away. So it holds as long as no document changes.
    """
    if subject.operator:
        return True
    own = None if is_void(project) else project
    if own is not None and own.public:
        return True
    if subject.only_project and (own is None or own.id != subject.only_project):
        return False
    grants = [] if own is None else [*granted.get(own.id, ())]
    if not subject.only_project:
        grants += granted.get(ALL, ())
    return any(grant.id in subject.ids and not grant.deleted for grant in grants)


def _is_pull(rule: Rule) -> bool:
    return rule.reach is Reach.REPOSITORY and rule.verb is Verb.PULL


def _refusal(
    rule: Rule, subject: Subject, project: ProjectAccess | None, repository: str
) -> str | None:
    """The denial that stands against it; None: there is none."""
    if rule.reach is Reach.REPOSITORY and project is not None and not project.deleted:
        verbs = {Verb.PULL, rule.verb if rule.verb in _DENIABLE else Verb.PUSH}
        for deny in project.denies:
            concerns = deny.subject == ALL or deny.subject in subject.ids
            if concerns and deny.verb in verbs and matches(deny.pattern, repository):
                whom = deny.name or deny.subject
                return f"{deny.verb} is denied to {whom} in {deny.pattern}"
    return None


def _by_grants(
    rule: Rule, subject: Subject, grants: Sequence[RoleGrant], repository: str, now: float
) -> Decision:
    if not subject.is_known:
        return Decision(False, "strangers may not")
    needed = Role(rule.role)
    if subject.role < needed or not _fits(rule, subject.within, repository):
        return Decision(False, "the secret that they logged in with is for less")
    best: RoleGrant | None = None
    for grant in grants:
        if grant.deleted or grant.id not in subject.ids or grant.role < needed:
            continue
        if is_over(grant.expires, now) or not _fits(rule, grant.within, repository):
            continue
        if best is None or _lasts(grant) > _lasts(best):
            best = grant
    if best is None:
        return Decision(False, f"nothing grants them the role {needed.name.lower()} there")
    whose = "" if best.id == subject.id else f" through {best.subject}"
    until = min((end for end in (best.expires, subject.until) if end != NEVER), default=NEVER)
    return Decision(True, f"granted the role {Role(best.role).name.lower()}{whose}", until)


def _lasts(grant: RoleGrant) -> tuple[bool, float]:
    """Larger for what ends later."""
    return grant.expires == NEVER, grant.expires


def _fits(rule: Rule, within: Within, repository: str) -> bool:
    """Whether something that is about *within* is about all that *rule* takes."""
    if rule.reach is not Reach.REPOSITORY:
        return not within
    return all(any(matches(pattern, repository) for pattern in either) for either in within)
