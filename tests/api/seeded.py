"""
Seeded bugs of the log-in: each takes one defence away, and names the check that has to notice.

They are replayed with the other tests (`test_defences.py`), so that a check which has come to test
nothing fails.
"""

import base64
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final, NamedTuple
from unittest.mock import patch

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey, OKPKey
from joserfc.jws import JWSRegistry

from node.desk import sight as desk_sight
from node.http import guard
from node.http.guard import Doorkeeper
from node.http.public_url import PublicUrl
from node.identity import accounts, decisions, documents, login, signatures
from node.identity.actions import RULES, Action, Reach, Verb
from node.identity.authorizer import Authorizer
from node.identity.decisions import Decision
from node.identity.directory import SecurityDirectory
from node.identity.login import Login
from node.identity.signatures import Signer
from node.identity.tokens import Tokens
from node.registry.uploads import Uploads


class Seeded(NamedTuple):
    """A bug, and who notices it."""

    says: str
    noticed_by: str
    replacements: list[tuple[Any, str, Any]]


def rule(action: Action, **changes: Any) -> tuple[Any, str, Any]:
    """Another line for *action* in the table."""
    return RULES, action, RULES[action]._replace(**changes)


def always(value: Any) -> Callable[..., Any]:
    return lambda *_, **__: value


_find, _where = Uploads._find, PublicUrl.of
_subject, _of_owner = Login.subject, Login._owner
_decide, _limited = decisions.decide, login._limited
_groups, _published = SecurityDirectory.groups_of, Signer.due


def guard_who_by_account(self: Any, repository: str) -> bool:
    return bool(self._allowed(RULES[Action.TAG_READ], repository))


def any_repository(self: Any, repository: str, upload_id: str, owner: str) -> Any:
    session = self._sessions.get(upload_id)
    return _find(self, session.record.repository if session else repository, upload_id, owner)


def any_owner(self: Any, repository: str, upload_id: str, owner: str) -> Any:
    session = self._sessions.get(upload_id)
    return _find(self, repository, upload_id, session.record.owner if session else owner)


def by_name(self: Any, account: Any) -> Any:
    """Whoever has the name by now, by whatever they logged in with."""
    owner = _of_owner(self, account.name)
    return _subject(self, account) or owner


def first_subject(self: Any, account: Any) -> Any:
    """Whoever an account was the first time."""
    self._forget_old()
    known = vars(self).setdefault("first", {})
    return known.setdefault(account, self._identity.login.subject(account))


def operator_by_name(self: Any, account: Any) -> Any:
    if account.id == login.OPERATOR:
        return decisions.Subject(account.id, account.name, operator=True)
    return _subject(self, account)


def without_denials(rule: Any, subject: Any, project: Any, *rest: Any) -> Decision:
    bare = None if project is None else documents.ProjectAccess(project.id, 0.0, project.public)
    return _decide(rule, subject, bare, *rest)


def trusts_all(self: Any, address: str | None) -> bool:
    return True


def robots_everywhere(rule: Any, subject: Any, *rest: Any) -> Decision:
    return _decide(rule, subject._replace(only_project=""), *rest)


def groups_by_name(self: Any, user: str) -> dict[str, str]:
    found = {}
    for name in self.names(documents.GroupMember, f"{user}/"):
        member = self.valid(documents.GroupMember, name)
        group = None if member is None else self.group(member.group)
        if member is not None and group is not None:
            found[member.id] = member.group
            found[group.id] = member.group
    return found


def finds_its_key(self: Any, kind: str, token: str) -> Any:
    """Takes the key that a token brings along."""

    def find(signature: Any) -> Any:
        header = signature.headers()
        return OKPKey.import_key(header.get("jwk") or _public(self, header["kid"]))

    return _decoded(self, token, find, ["Ed25519"])


def any_algorithm(self: Any, kind: str, token: str) -> Any:
    """Takes the algorithm that a token names; its shared secret is what everybody knows."""

    def find(signature: Any) -> Any:
        header, public = signature.headers(), _public(self, signature.headers()["kid"])
        if header["alg"] != "HS256":
            return OKPKey.import_key(public)
        return OctKey.import_key(base64.urlsafe_b64decode(public["x"] + "="))

    return _decoded(self, token, find, ["Ed25519", "HS256"])


def _public(signer: Any, kid: str) -> dict[str, str]:
    return {"kty": "OKP", "crv": "Ed25519", "x": signer._published(kid).x}


def _decoded(signer: Any, token: str, find: Any, algorithms: list[str]) -> Any:
    registry = JWSRegistry(algorithms=algorithms, strict_check_header=False)
    try:
        decoded = jwt.decode(token, find, registry=registry)
    except (JoseError, ValueError) as exc:
        raise signatures.TokenInvalid(str(exc)) from exc
    return msgspec.convert(decoded.claims, signatures.Claims)


def verify_without(*names: str) -> Callable[..., Any]:
    """Verifies as it should, but for some fields of the claims."""
    real = Signer.verify

    def verify(self: Any, kind: str, token: str) -> Any:
        convert = signatures.msgspec.convert

        def lenient(claims: Any, of: Any) -> Any:
            right = {"iss": self._issuer, "aud": self.audience, "nbf": 0.0, "exp": 1e12}
            return convert({**claims, **{name: right[name] for name in names}}, of)

        with patch.object(signatures.msgspec, "convert", lenient):
            return real(self, kind, token)

    return verify


SEEDED: Final[dict[str, Seeded]] = {
    "catalog-without-login": Seeded(
        "the catalog is for anybody",
        "the_catalog_takes_a_login_and_hides",
        [rule(Action.CATALOG, reach=Reach.ANYBODY)],
    ),
    "lists-show-all": Seeded(
        "lists show what the caller may not pull",
        "the_catalog_takes_a_login_and_hides",
        [(guard._Sight, "may_list", always(True))],
    ),
    "repositories-for-strangers": Seeded(
        "what is counted is shown to strangers",
        "lists_take_a_login",
        [rule(Action.REPOSITORIES, reach=Reach.ANYBODY)],
    ),
    "counters-show-all": Seeded(
        "what is counted is shown to whoever has logged in",
        "what_is_hidden_is_in_no_list",
        [(desk_sight.Sight, name, always(True)) for name in ("may_be_seen", "sees")],
    ),
    "search-shows-all": Seeded(
        "so is what is searched for",
        "what_is_hidden_is_not_found",
        [(desk_sight.Sight, "sees", always(True))],
    ),
    "too-much-of-others": Seeded(
        "names of others count for what is too much",
        "what_is_hidden_makes_nothing_too_much",
        [(desk_sight.Sight, "may_be_seen", always(True))],
    ),
    "who-for-all": Seeded(
        "who pushed is told to whoever may pull",
        "who_pushed_is_for_maintainers",
        [(guard._Sight, "may_see_who", always(True))],
    ),
    "who-by-a-pull-token": Seeded(
        "who pushed is told by a token for pulls",
        "who_pushed_is_for_maintainers",
        [(guard._Sight, "may_see_who", guard_who_by_account)],
    ),
    "a-project-is-seen-whole": Seeded(
        "who may see some of a project sees all of it",
        "a_part_of_a_project_is_listed_as_such",
        [(desk_sight.Sight, "sees", desk_sight.Sight.may_be_seen)],
    ),
    "conflicts-show-all": Seeded(
        "so does that of conflicts",
        "conflicts_and_projects_hide",
        [(guard._Sight, "may_list", always(True))],
    ),
    "projects-show-all": Seeded(
        "and that of projects",
        "conflicts_and_projects_hide",
        [(guard._Sight, "may_see_project", always(True))],
    ),
    "denied-is-not-absent": Seeded(
        "what is hidden is told apart from what is not there",
        "what_may_not_be_seen_is_not_there",
        [(guard, "NameUnknown", lambda name: guard.AccessDenied("", name))],
    ),
    "mount-anything": Seeded(
        "a mount does not look at its source",
        "a_mount_takes_pull_on_its_source",
        [(guard._Sight, "may_pull", always(True))],
    ),
    "mount-by-one-scope": Seeded(
        "a mount goes by its caller, and not by the token",
        "a_mount_by_token_takes_both_scopes",
        [(guard._Sight, "may_pull", guard._Sight.may_list)],
    ),
    "upload-of-anybody": Seeded(
        "whoever knows an upload goes on with it",
        "an_upload_is_of_who_began_it",
        [(Uploads, "_find", any_owner)],
    ),
    "upload-in-any-repository": Seeded(
        "an upload is in every repository",
        "an_upload_is_of_who_began_it",
        [(Uploads, "_find", any_repository)],
    ),
    "subject-of-before": Seeded(
        "a decision of now is about who somebody was when the request began",
        "a_request_goes_by_what_holds_now",
        [(Doorkeeper, "subject", first_subject)],
    ),
    "prefix-is-enough": Seeded(
        "a pattern matches what begins so",
        "names_are_no_prefixes",
        [(decisions, "matches", lambda pattern, name: name.startswith(pattern.rstrip("*")))],
    ),
    "patterns-unchecked": Seeded(
        "any text is a pattern",
        "names_are_no_prefixes",
        [(accounts, "parse_pattern", lambda text, project=None: text)],
    ),
    "no-denials": Seeded(
        "denials are not looked at",
        "a_denial_beats_a_role",
        [("node.identity.authorizer", "decide", without_denials)],
    ),
    "key-in-token": Seeded(
        "the key in a token is believed",
        "a_key_in_a_token_is_no_key",
        [(Signer, "verify", finds_its_key)],
    ),
    "any-algorithm": Seeded(
        "a token says by which algorithm it was signed",
        "one_algorithm_and_no_other",
        [(Signer, "verify", any_algorithm)],
    ),
    "audience-unchecked": Seeded(
        "a token for somebody else is good",
        "a_token_is_of_this_registry_and_this_time",
        [(Signer, "verify", verify_without("aud"))],
    ),
    "issuer-unchecked": Seeded(
        "a token of somebody else is good",
        "a_token_is_of_this_registry_and_this_time",
        [(Signer, "verify", verify_without("iss"))],
    ),
    "no-expiry": Seeded(
        "a token lives for ever",
        "a_token_is_of_this_registry_and_this_time",
        [(Signer, "verify", verify_without("exp"))],
    ),
    "not-before-unchecked": Seeded(
        "a token is good before its time",
        "a_token_is_of_this_registry_and_this_time",
        [(Signer, "verify", verify_without("nbf"))],
    ),
    "one-type": Seeded(
        "refresh tokens are access tokens",
        "a_refresh_token_opens_nothing",
        [(signatures, "_TYPES", {"access": "at+jwt", "refresh": "at+jwt"})],
    ),
    "delete-by-push": Seeded(
        "a token for pushes deletes",
        "a_token_is_for_what_it_says",
        [rule(Action.MANIFEST_DELETE, verb=Verb.PUSH)],
    ),
    "scopes-unchecked": Seeded(
        "any token is for anything",
        "a_token_is_for_what_it_says",
        [(guard, "covers", always(True))],
    ),
    "scopes-as-asked": Seeded(
        "a token is for what was asked",
        "a_token_is_no_more_than_its_owner",
        [(Authorizer, "verbs", lambda self, subject, repository, asked: list(asked))],
    ),
    "token-is-enough": Seeded(
        "what a token says is not looked up",
        "a_token_ends_with_the_right_that_it_is_of",
        [(Doorkeeper, "decision", always(Decision(True, "")))],
    ),
    "remembers-for-ever": Seeded(
        "a decision is remembered although a document has changed",
        "a_token_ends_with_the_right_that_it_is_of",
        [(Doorkeeper, "_forget_old", always(None))],
    ),
    "disabled-is-nothing": Seeded(
        "who is disabled goes on",
        "a_token_ends_with_the_right_that_it_is_of",
        [(documents.User, "disabled", False)],
    ),
    "project-by-name": Seeded(
        "a token is for a project's name",
        "a_project_made_anew_is_another_one",
        [(Tokens, "is_of", always(True))],
    ),
    "user-by-name": Seeded(
        "an account is whoever has its name",
        "a_user_made_anew_is_somebody_else",
        [(Login, "subject", by_name)],
    ),
    "group-by-name": Seeded(
        "a role of a group is whoever's has its name",
        "a_group_made_anew_is_another_one",
        [(SecurityDirectory, "groups_of", groups_by_name)],
    ),
    "revoked-key-signs": Seeded(
        "a revoked key is as good as before",
        "a_key_that_was_revoked_signs_nothing",
        [(signatures, "is_void", always(False))],
    ),
    "secrets-are-whole": Seeded(
        "a secret is for all that its owner may",
        "a_secret_is_for_no_more_than_it_says",
        [(login, "_limited", lambda owner, credential: owner)],
    ),
    "secrets-make-more": Seeded(
        "a token of little makes one of much",
        "a_secret_is_for_no_more_than_it_says",
        [("node.admin.accounts", "is_limited", always(False))],
    ),
    "secrets-do-not-expire": Seeded(
        "a secret is good for ever",
        "secrets_expire_and_are_taken_back",
        [(login, "is_over", always(False)), (guard, "is_over", always(False)),
         (decisions, "is_over", always(False))],
    ),
    "robots-everywhere": Seeded(
        "a robot has roles in all projects",
        "a_robot_stays_in_its_project",
        [("node.identity.authorizer", "decide", robots_everywhere)],
    ),
    "empty-secret": Seeded(
        "an operator without a secret is anybody",
        "there_is_no_default_account",
        [("node.identity.login.hmac", "compare_digest", always(True))],
    ),
    "operator-by-name": Seeded(
        "what an operator got at one node is good at all, for ever",
        "the_operator_is_of_one_node_and_run",
        [(Login, "subject", operator_by_name)],
    ),
    "anybody-makes-users": Seeded(
        "whoever has logged in makes accounts",
        "there_is_no_default_account",
        [rule(Action.USER_CREATE, reach=Reach.KNOWN)],
    ),
    "no-end-of-hashing": Seeded(
        "any number of passwords is hashed at once",
        "nothing_slow_is_done_for_a_crowd",
        [("node.identity.passwords", "TooManyLogins", lambda limit: SystemError(limit))],
    ),
    "forwarded-by-anybody": Seeded(
        "anybody says where passwords are sent",
        "the_realm_is_where_the_client_is",
        [(PublicUrl, "_is_trusted", trusts_all)],
    ),
    "no-cutoff": Seeded(
        "a node that is cut off logs in for ever",
        "who_is_cut_off_logs_nobody_in",
        [(Login, "check_authority", always(None))],
    ),
    "password-by-name": Seeded(
        "what was got by a password outlives it",
        "a_changed_password_ends_what_was_got_by_the_last",
        [(Login, "subject", by_name)],
    ),
}  # fmt: skip


@contextmanager
def seeded(bug: Seeded) -> Iterator[None]:
    """With the defence gone."""
    with ExitStack() as stack:
        for owner, name, replacement in bug.replacements:
            if isinstance(owner, dict):
                stack.enter_context(patch.dict(owner, {name: replacement}))
            elif isinstance(owner, str):
                stack.enter_context(patch(f"{owner}.{name}", replacement))
            else:
                assert hasattr(owner, name), f"{owner} has no {name}"
                stack.enter_context(patch.object(owner, name, replacement))
        yield
