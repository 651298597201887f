"""Deciding by the documents that this node has."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from node.identity.actions import RULES, Action, Role, Rule, Verb
from node.identity.decisions import ALL, STRANGER, Decision, Subject, decide, sees_some
from node.identity.directory import SecurityDirectory
from node.identity.documents import RoleGrant, is_over
from node.registry.policy import project_of

MAY_PULL: Final[Rule] = RULES[Action.MANIFEST_READ]


class Authorizer:
    """Says who may do what. Belongs to one event loop."""

    def __init__(self, directory: SecurityDirectory, now: Callable[[], float]) -> None:
        """*now* gives seconds since the Unix epoch."""
        self._directory = directory
        self._now = now

    def decide(self, subject: Subject, action: Action, repository: str) -> Decision:
        """Whether *subject* may do *action*; *repository* may be a project's name."""
        return self.decide_by(RULES[action], subject, repository)

    def decide_by(self, rule: Rule, subject: Subject, repository: str) -> Decision:
        """As `decide`, for what takes *rule*."""
        project = self._directory.project(project_of(repository)) if repository else None
        granted = {ALL: self._granted(ALL, subject)}
        if project is not None:
            granted[project.id] = self._granted(project.id, subject)
        return decide(rule, subject, project, granted, repository, self._now())

    def may_pull(self, subject: Subject, repository: str) -> bool:
        """Whether what is in *repository* may be shown to *subject*."""
        return self.decide_by(MAY_PULL, subject, repository).allowed

    def sees_some(self, subject: Subject, project: str) -> bool:
        """Whether *subject* may pull something of *project*: if not, `may_pull` is never true."""
        found = self._directory.project(project)
        granted = {ALL: self._granted(ALL, subject)}
        if found is not None:
            granted[found.id] = self._granted(found.id, subject)
        return sees_some(subject, found, granted)

    def verbs(self, subject: Subject, repository: str, asked: Sequence[Verb]) -> list[Verb]:
        """Those of *asked* that a token for *subject* may have."""
        by_verb = {
            Verb.PULL: Action.MANIFEST_READ,
            Verb.PUSH: Action.MANIFEST_WRITE,
            Verb.DELETE: Action.MANIFEST_DELETE,
        }
        return [
            verb
            for verb in asked
            if verb in by_verb and self.decide(subject, by_verb[verb], repository).allowed
        ]

    def has_admin(self) -> bool:
        """Whether anybody can log in who may say who may do what."""
        return any(True for _ in self.admins())

    def admins(self) -> Iterator[str]:
        """The log-in names of who can, by a role of their own."""
        for grant in self._directory.grants(ALL):
            if self._is_admin(grant):
                yield grant.subject

    def _is_admin(self, grant: RoleGrant) -> bool:
        if grant.role < Role.ADMIN or grant.within or is_over(grant.expires, self._now()):
            return False
        user = self._directory.user(grant.subject)
        return user is not None and user.id == grant.id and not user.disabled

    def _granted(self, project: str, subject: Subject) -> list[RoleGrant]:
        found = (self._directory.grant(project, who) for who in subject.ids)
        return [grant for grant in found if grant is not None]


def stranger_may_pull(authorizer: Authorizer, repository: str) -> bool:
    """Whether anybody may pull from *repository*."""
    return authorizer.may_pull(STRANGER, repository)
