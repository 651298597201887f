"""Users and groups, and what everybody does with their own account."""

from collections.abc import Sequence
from typing import Final

import msgspec
from aiohttp import web

from node.admin.answers import DONE, GONE, answer, carried_out, document
from node.admin.context import AdminContext
from node.errors import NameInvalid, PaginationInvalid
from node.http import headers
from node.http.body_reader import read_document
from node.http.endpoint import READING, WRITING, Action, Body, Endpoint, Request
from node.http.pages import LAST, LIMIT, link_to
from node.http.query import Single
from node.identity.accounts import is_limited, parse_role
from node.identity.actions import role_named
from node.identity.documents import Credential, Group, User, patterns_in
from node.identity.errors import (
    AccessDenied,
    AccountExists,
    AccountUnknown,
    SecurityDocumentInvalid,
    TooManyLogins,
)
from node.registry.values import Page

ID: Final = Single(name="id", doc="The id of the secret.", parse=str, default="", required=True)


class UserState(msgspec.Struct):
    """A user."""

    name: str
    """The log-in name."""

    disabled: bool
    """Whether they may not log in."""

    groups: Sequence[str]
    """Those that they are in, by name."""


class Users(msgspec.Struct):
    """A page of the users, by name."""

    users: Sequence[UserState]
    """In byte order."""


class NewUser(msgspec.Struct, forbid_unknown_fields=True):
    """A user who is made now."""

    name: str
    """1 to 128 of a-z 0-9 . _ @ -, with a letter or digit at both ends."""

    password: str | None = None
    """None: nobody logs in with one, until there is one."""


class UserChange(msgspec.Struct, forbid_unknown_fields=True):
    """What holds for a user from now on."""

    disabled: bool = False
    """Whether they may not log in."""

    password: str | None = None
    """None: it stays."""


class Groups(msgspec.Struct):
    """A page of the groups, by name."""

    groups: Sequence[str]
    """Their names, in byte order."""


class GroupState(msgspec.Struct):
    """A group."""

    name: str
    """The name."""

    members: Sequence[str]
    """Log-in names, in byte order."""


class NewGroup(msgspec.Struct, forbid_unknown_fields=True):
    """A group that is made now."""

    name: str
    """As of a user."""


class MemberChange(msgspec.Struct, forbid_unknown_fields=True):
    """Who comes and who goes."""

    add: Sequence[str] = ()
    """Log-in names of who comes."""

    remove: Sequence[str] = ()
    """Those of who goes."""


class AccountState(msgspec.Struct):
    """Whoever asks."""

    name: str
    """Empty: the registry is open, and nobody says who they are."""

    groups: Sequence[str]
    """Those that they are in, by name."""


class NewPassword(msgspec.Struct, forbid_unknown_fields=True):
    """A password that is set."""

    password: str
    """12 to 256 characters."""


class SecretState(msgspec.Struct):
    """A secret that is valid, short of what it is."""

    id: str
    """By which it is taken back."""

    label: str
    """What somebody called it."""

    created: float
    """Seconds since 1970, as all times here."""

    expires: float
    """0: never."""

    role: str
    """The most that it is good for."""

    patterns: Sequence[str]
    """The repositories that it is good for; none: all."""


class Secrets(msgspec.Struct):
    """Secrets of one account."""

    secrets: Sequence[SecretState]
    """Those that were not taken back."""


class NewSecretDocument(msgspec.Struct, forbid_unknown_fields=True):
    """A secret that is made now."""

    label: str
    """What it is called: where it is used, say."""

    expires: float = 0.0
    """Seconds since 1970; 0: never."""

    role: str = "admin"
    """The most that it is good for."""

    patterns: Sequence[str] = ()
    """The repositories that it is good for; none: all."""


class MadeSecret(msgspec.Struct):
    """A new secret. It is shown here and never again."""

    id: str
    """By which it is taken back."""

    secret: str
    """What is given in the place of a password."""


def state_of(secret: Credential) -> SecretState:
    """What is told of a secret."""
    role, patterns = role_named(secret.role), patterns_in(secret.within)
    return SecretState(secret.id, secret.label, secret.created, secret.expires, role, patterns)


def page_fields(path: str, page: Page, limit: int) -> dict[str, str]:
    """The field that leads on from *page*."""
    if page.next_after is None:
        return {}
    return link_to(path, [("last", page.next_after), ("n", str(limit))])


async def users(context: AdminContext, request: Request) -> web.Response:
    """GET of the users."""
    limit, last = request.query().one(LIMIT), request.query().one(LAST)
    directory = context.identity.directory
    page = directory.page(User, last, limit)
    found = []
    for name in page.items:
        user = directory.user(name)
        if user is not None:
            groups = sorted(directory.groups_of(user.id).values())
            found.append(UserState(name, user.disabled, groups))
    return answer(Users(found), page_fields("/atoll/v1/users", page, limit))


async def create_user(context: AdminContext, request: Request) -> web.Response:
    """POST of a user."""
    body = await read_document(request, NewUser, context.limits)
    receipt = await context.identity.accounts.put_user(
        body.name, password=body.password, disabled=False, create=True
    )
    return answer(UserState(body.name, False, []), headers.receipt(receipt), 201)


async def write_user(context: AdminContext, request: Request) -> web.Response:
    """PUT of a user: a password, and whether they may log in."""
    body = await read_document(request, UserChange, context.limits)
    receipt = await context.identity.accounts.put_user(
        request.variable, password=body.password, disabled=body.disabled, create=False
    )
    return carried_out(receipt)


async def delete_user(context: AdminContext, request: Request) -> web.Response:
    """DELETE of a user."""
    receipt = await context.identity.accounts.delete_user(request.variable)
    return carried_out(receipt)


async def groups(context: AdminContext, request: Request) -> web.Response:
    """GET of the groups."""
    limit, last = request.query().one(LIMIT), request.query().one(LAST)
    page = context.identity.directory.page(Group, last, limit)
    return answer(Groups(page.items), page_fields("/atoll/v1/groups", page, limit))


async def create_group(context: AdminContext, request: Request) -> web.Response:
    """POST of a group."""
    body = await read_document(request, NewGroup, context.limits)
    receipt = await context.identity.accounts.create_group(body.name)
    return answer(GroupState(body.name, []), headers.receipt(receipt), 201)


async def group(context: AdminContext, request: Request) -> web.Response:
    """GET of a group with its members."""
    name, directory = request.variable, context.identity.directory
    if directory.group(name) is None:
        raise AccountUnknown("group", name)
    return answer(GroupState(name, directory.members_of(name)))


async def write_group(context: AdminContext, request: Request) -> web.Response:
    """PUT: who comes into a group, and who goes."""
    body = await read_document(request, MemberChange, context.limits)
    accounts = context.identity.accounts
    receipt = None
    for names, is_member in ((body.remove, False), (body.add, True)):
        for name in names:
            receipt = await accounts.set_member(request.variable, name, is_member=is_member)
    return carried_out(receipt)


async def delete_group(context: AdminContext, request: Request) -> web.Response:
    """DELETE of a group."""
    receipt = await context.identity.accounts.delete_group(request.variable)
    return carried_out(receipt)


async def account(context: AdminContext, request: Request) -> web.Response:
    """GET of who asks."""
    asking = request.principal.account
    found = context.identity.directory.groups_of(asking.id) if asking.id else {}
    return answer(AccountState(asking.name, sorted(found.values())))


async def set_password(context: AdminContext, request: Request) -> web.Response:
    """PUT of one's own password."""
    name = _own_name(context, request)
    body = await read_document(request, NewPassword, context.limits)
    receipt = await context.identity.accounts.set_password(name, body.password)
    return carried_out(receipt)


async def tokens(context: AdminContext, request: Request) -> web.Response:
    """GET of one's own tokens."""
    found = context.identity.directory.credentials(request.principal.account.id)
    return answer(Secrets([state_of(each) for each in found]))


async def add_token(context: AdminContext, request: Request) -> web.Response:
    """POST: a token of one's own, to be used in the place of a password."""
    name = _own_name(context, request)
    body = await read_document(request, NewSecretDocument, context.limits)
    return await make_credential(context, name, body)


async def make_credential(
    context: AdminContext, name: str, body: NewSecretDocument
) -> web.Response:
    """Make another secret by which *name* can log in; it is told this once."""
    made = await context.identity.accounts.add_credential(
        name, body.label, expires=body.expires, role=parse_role(body.role), patterns=body.patterns
    )
    return answer(MadeSecret(made.secret.id, made.secret.text), headers.receipt(made.receipt), 201)


async def revoke_token(context: AdminContext, request: Request) -> web.Response:
    """DELETE of one's own token."""
    accounts, name = context.identity.accounts, request.principal.name
    receipt = await accounts.revoke_credential(name, request.query().one(ID))
    return carried_out(receipt)


def _own_name(context: AdminContext, request: Request) -> str:
    """
    Whoever asks, if they came with their password.

    Raises:
        AccessDenied: a token is for less than all that its owner may do, and makes no other that is
            for more.
    """
    if is_limited(request.principal.account):
        raise AccessDenied(request.action)
    return request.principal.name


_UNKNOWN: Final = (*WRITING, SecurityDocumentInvalid, AccountUnknown)

ENDPOINTS: Final = (
    Endpoint(
        action=Action.USERS,
        methods=("GET",),
        path="/atoll/v1/users",
        handler=users,
        doc="List the users.",
        parameters=(LIMIT, LAST),
        answers=(document(200, "A page of them.", Users, "Link"),),
        errors=(*READING, PaginationInvalid),
    ),
    Endpoint(
        action=Action.USER_CREATE,
        methods=("POST",),
        path="/atoll/v1/users",
        handler=create_user,
        doc="Make a user, with no role anywhere.",
        body=Body(doc="The user.", struct=NewUser),
        answers=(document(201, "There is one.", UserState, *headers.RECEIPT),),
        errors=(*WRITING, SecurityDocumentInvalid, AccountExists, TooManyLogins),
        takes_content=True,
    ),
    Endpoint(
        action=Action.USER_WRITE,
        methods=("PUT",),
        path="/atoll/v1/users/{user}",
        handler=write_user,
        doc="Set whether a user may log in, and a password.",
        body=Body(doc="What holds from now on.", struct=UserChange),
        answers=DONE,
        errors=(*_UNKNOWN, TooManyLogins),
    ),
    Endpoint(
        action=Action.USER_DELETE,
        methods=("DELETE",),
        path="/atoll/v1/users/{user}",
        handler=delete_user,
        doc="Delete a user. Who gets the name later has nothing of theirs.",
        answers=GONE,
        errors=(*WRITING, AccountUnknown),
    ),
    Endpoint(
        action=Action.GROUPS,
        methods=("GET",),
        path="/atoll/v1/groups",
        handler=groups,
        doc="List the groups.",
        parameters=(LIMIT, LAST),
        answers=(document(200, "A page of them.", Groups, "Link"),),
        errors=(*READING, PaginationInvalid),
    ),
    Endpoint(
        action=Action.GROUP_CREATE,
        methods=("POST",),
        path="/atoll/v1/groups",
        handler=create_group,
        doc="Make a group, with nobody in it.",
        body=Body(doc="The group.", struct=NewGroup),
        answers=(document(201, "There is one.", GroupState, *headers.RECEIPT),),
        errors=(*WRITING, SecurityDocumentInvalid, AccountExists),
        takes_content=True,
    ),
    Endpoint(
        action=Action.GROUP_READ,
        methods=("GET",),
        path="/atoll/v1/groups/{group}",
        handler=group,
        doc="Show who is in a group.",
        answers=(document(200, "The group.", GroupState),),
        errors=(*READING, AccountUnknown),
    ),
    Endpoint(
        action=Action.GROUP_WRITE,
        methods=("PUT",),
        path="/atoll/v1/groups/{group}",
        handler=write_group,
        doc="Put users into a group, and take others out.",
        body=Body(doc="Who comes, and who goes.", struct=MemberChange),
        answers=DONE,
        errors=_UNKNOWN,
    ),
    Endpoint(
        action=Action.GROUP_DELETE,
        methods=("DELETE",),
        path="/atoll/v1/groups/{group}",
        handler=delete_group,
        doc="Delete a group; what was granted to it is granted to nobody.",
        answers=GONE,
        errors=(*WRITING, AccountUnknown),
    ),
    Endpoint(
        action=Action.ACCOUNT,
        methods=("GET",),
        path="/atoll/v1/account",
        handler=account,
        doc="Show who asks.",
        answers=(document(200, "The account.", AccountState),),
        errors=READING,
    ),
    Endpoint(
        action=Action.ACCOUNT_PASSWORD,
        methods=("PUT",),
        path="/atoll/v1/account/password",
        handler=set_password,
        doc="Change one's own password; what was got with the one before ends.",
        body=Body(doc="The password.", struct=NewPassword),
        answers=DONE,
        errors=(*_UNKNOWN, TooManyLogins),
    ),
    Endpoint(
        action=Action.ACCOUNT_TOKENS,
        methods=("GET",),
        path="/atoll/v1/account/tokens",
        handler=tokens,
        doc="List one's own tokens.",
        answers=(document(200, "Those that are valid.", Secrets),),
        errors=READING,
    ),
    Endpoint(
        action=Action.ACCOUNT_TOKEN_ADD,
        methods=("POST",),
        path="/atoll/v1/account/tokens",
        handler=add_token,
        doc="Make a token of one's own, to be used instead of the password.",
        body=Body(doc="What it is for.", struct=NewSecretDocument),
        answers=(document(201, "The token, this once.", MadeSecret, *headers.RECEIPT),),
        errors=_UNKNOWN,
        takes_content=True,
    ),
    Endpoint(
        action=Action.ACCOUNT_TOKEN_REVOKE,
        methods=("DELETE",),
        path="/atoll/v1/account/tokens",
        handler=revoke_token,
        doc="Take one of one's own tokens back.",
        parameters=(ID,),
        answers=GONE,
        errors=(*WRITING, AccountUnknown, NameInvalid),
    ),
)
