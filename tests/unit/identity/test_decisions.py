"""The rule that joins roles, patterns, denials: what it allows, refuses, and why."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.identity.actions import RULES, Action, Reach, Role, Verb
from node.identity.decisions import ALL, STRANGER, Subject, decide, sees_some
from node.identity.documents import NEVER, Deny, ProjectAccess, RoleGrant
from node.identity.errors import SecurityDocumentInvalid
from node.identity.patterns import matches, parse_pattern

ANN = Subject("a", "ann", frozenset({"g"}))
PRIVATE, PUBLIC = ProjectAccess("p"), ProjectAccess("p", public=True)


def may(
    action: Action,
    subject: Subject = ANN,
    project: ProjectAccess | None = PRIVATE,
    *grants: RoleGrant,
    everywhere: tuple[RoleGrant, ...] = (),
    repository: str = "lib/app",
    now: float = 5.0,
) -> bool:
    granted = {"p": grants, ALL: everywhere}
    return decide(RULES[action], subject, project, granted, repository, now).allowed


GRANTS = st.builds(
    RoleGrant,
    id=st.sampled_from(["a", "g", "h"]),
    role=st.integers(0, 4),
    within=st.sampled_from([(), (("lib/app",),), (("lib/*",), ("lib/x",))]),
    expires=st.sampled_from([NEVER, 4.0, 6.0]),
    deleted=st.booleans(),
)
PROJECTS = st.none() | st.builds(
    ProjectAccess,
    id=st.sampled_from(["p", "q", ""]),
    public=st.booleans(),
    denies=st.sampled_from([(), (Deny("a", Verb.PULL, "lib/app"),)]),
    deleted=st.booleans(),
)
SUBJECTS = st.builds(
    Subject,
    id=st.sampled_from(["", "a"]),
    name=st.just("ann"),
    groups=st.sampled_from([frozenset(), frozenset({"g"})]),
    only_project=st.sampled_from(["", "p"]),
    until=st.sampled_from([NEVER, 4.0]),
    operator=st.booleans(),
)


@given(SUBJECTS, PROJECTS, st.lists(GRANTS, max_size=3), st.lists(GRANTS, max_size=2))
def test_who_may_pull_something_sees_some_of_its_project(
    subject: Subject,
    project: ProjectAccess | None,
    grants: list[RoleGrant],
    everywhere: list[RoleGrant],
):
    """Broken: a repository that somebody may pull from is left out of their lists."""
    granted = {"p": grants, ALL: everywhere}
    for repository in ("lib/app", "lib/x"):
        rule = RULES[Action.MANIFEST_READ]
        if decide(rule, subject, project, granted, repository, 5.0).allowed:
            assert sees_some(subject, project, granted)


def test_who_may_pull_nothing_of_a_project_sees_none_of_it():
    """Broken: each repository of others is looked at by itself, in every list."""
    granted = {"p": [RoleGrant("b", role=4)], ALL: [RoleGrant("a", role=1, deleted=True)]}
    for project in (PRIVATE, None, ProjectAccess("q", deleted=True, public=True)):
        assert not sees_some(ANN, project, granted)
        assert not sees_some(STRANGER, project, granted)
    assert sees_some(STRANGER, PUBLIC, granted)
    assert sees_some(ANN, PRIVATE, {"p": [RoleGrant("g", role=1)]})


def test_every_action_has_its_rule():
    assert RULES.keys() == set(Action)


@pytest.mark.parametrize("action", Action)
def test_nobody_may_anything_that_nothing_allows(action: Action):
    if RULES[action].reach is Reach.ANYBODY:
        assert may(action, STRANGER, None)
    else:
        assert not may(action, STRANGER, None)
        assert may(action, ANN, None) == (RULES[action].reach is Reach.KNOWN)


def test_a_role_allows_what_it_is_for():
    for role in Role:
        for action in Action:
            if RULES[action].reach is Reach.REPOSITORY:
                grant = RoleGrant("a", role=role)
                assert may(action, ANN, PRIVATE, grant) == (role >= RULES[action].role)


def test_a_role_of_a_group_is_its_members():
    assert may(Action.MANIFEST_READ, ANN, PRIVATE, RoleGrant("g", role=1))
    assert not may(Action.MANIFEST_READ, ANN, PRIVATE, RoleGrant("h", role=1))


def test_strangers_pull_what_is_public_and_no_more():
    assert may(Action.MANIFEST_READ, STRANGER, PUBLIC)
    assert not may(Action.MANIFEST_WRITE, STRANGER, PUBLIC)
    assert not may(Action.TAG_READ, STRANGER, PUBLIC)
    assert not may(Action.MANIFEST_READ, STRANGER, ProjectAccess("p", public=True, deleted=True))
    assert not may(Action.MANIFEST_READ, STRANGER, ProjectAccess("", public=True))


def test_a_denial_is_stronger_than_every_role():
    for subject in ("a", "g", ALL):
        denied = ProjectAccess("p", public=True, denies=(Deny(subject, Verb.PULL, "lib/app"),))
        for action in (Action.MANIFEST_READ, Action.MANIFEST_WRITE, Action.TAG_READ):
            assert not may(action, ANN, denied, RoleGrant("a", role=4))
            assert may(action, ANN, denied, RoleGrant("a", role=4), repository="lib/other")
    no_push = ProjectAccess("p", denies=(Deny("a", Verb.PUSH, "lib/**"),))
    assert may(Action.MANIFEST_READ, ANN, no_push, RoleGrant("a", role=4))
    assert not may(Action.MANIFEST_WRITE, ANN, no_push, RoleGrant("a", role=4))
    assert not may(Action.TAG_ROLLBACK, ANN, no_push, RoleGrant("a", role=4))
    assert may(Action.MANIFEST_DELETE, ANN, no_push, RoleGrant("a", role=4))


def test_a_role_for_some_repositories_is_for_no_other():
    grant = RoleGrant("a", role=4, within=(("lib/app", "lib/x/**"),))
    assert may(Action.MANIFEST_WRITE, ANN, PRIVATE, grant)
    assert may(Action.MANIFEST_WRITE, ANN, PRIVATE, grant, repository="lib/x/y")
    assert not may(Action.MANIFEST_WRITE, ANN, PRIVATE, grant, repository="lib/app2")
    assert not may(Action.PROJECT_WRITE, ANN, PRIVATE, grant, repository="lib")


def test_what_has_expired_is_gone():
    grant = RoleGrant("a", role=1, expires=10.0)
    assert may(Action.MANIFEST_READ, ANN, PRIVATE, grant, now=9.9)
    assert not may(Action.MANIFEST_READ, ANN, PRIVATE, grant, now=10.0)
    over = ANN._replace(until=10.0)
    assert not may(Action.MANIFEST_READ, over, PRIVATE, RoleGrant("a", role=1), now=10.0)
    found = decide(RULES[Action.TAGS], ANN, PRIVATE, {"p": [grant], ALL: ()}, "lib/app", 5.0)
    assert found.until == 10.0


def test_a_secret_is_for_no_more_than_it_says():
    admin = RoleGrant("a", role=4)
    low = ANN._replace(role=Role.PULLER)
    assert may(Action.MANIFEST_READ, low, PRIVATE, admin)
    assert not may(Action.MANIFEST_WRITE, low, PRIVATE, admin)
    assert not may(Action.LEAVE, low, None, everywhere=(admin,))
    narrow = ANN._replace(within=(("lib/app",),))
    assert may(Action.MANIFEST_WRITE, narrow, PRIVATE, admin)
    assert not may(Action.MANIFEST_WRITE, narrow, PRIVATE, admin, repository="lib/other")
    assert not may(Action.USERS, narrow, None, everywhere=(admin,), repository="")


def test_a_robot_is_for_its_project():
    robot = Subject("r", "lib+ci", only_project="p")
    grant = RoleGrant("r", role=2)
    assert may(Action.MANIFEST_WRITE, robot, PRIVATE, grant)
    assert not may(Action.MANIFEST_WRITE, robot, ProjectAccess("q"), everywhere=(grant,))
    assert not may(Action.STATUS, robot, None, everywhere=(RoleGrant("r", role=4),), repository="")


def test_who_runs_the_cluster_may_everywhere():
    admin = RoleGrant("a", role=4)
    assert may(Action.LEAVE, ANN, None, everywhere=(admin,), repository="")
    assert may(Action.MANIFEST_DELETE, ANN, PRIVATE, everywhere=(admin,))
    assert may(Action.ACCESS_WRITE, ANN, None, everywhere=(admin,), repository="new")
    assert not may(Action.LEAVE, ANN, PRIVATE, admin, repository="")


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("lib/app", ["lib/app"], ["lib/app2", "lib/app/x", "lib", "xlib/app"]),
        ("lib/*", ["lib/app"], ["lib", "lib/a/b", "lib2/app"]),
        ("lib/**", ["lib/app", "lib/a/b"], ["lib", "lib2/app"]),
        ("lib/*/x", ["lib/a/x"], ["lib/a/b/x", "lib/x"]),
        ("lib/a.b", ["lib/a.b"], ["lib/axb"]),
    ],
)
def test_patterns(pattern: str, yes: list[str], no: list[str]):
    assert parse_pattern(pattern, "lib") == pattern
    assert all(matches(pattern, name) for name in yes)
    assert not any(matches(pattern, name) for name in no)


@pytest.mark.parametrize(
    "text",
    ["", "/", "lib/", "lib/**/x", "lib/a*", "Lib/a", "lib/%", "other/a", "*/a", "lib/" + "x" * 255],
)
def test_texts_that_are_no_patterns(text: str):
    with pytest.raises(SecurityDocumentInvalid):
        parse_pattern(text, "lib")
