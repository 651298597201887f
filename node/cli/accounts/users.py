"""`atoll user`, `group` and `token`: who there is, and what they log in with."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

from node.cli.accounts.logins import log_in_again
from node.cli.client import ask_for
from node.cli.outcome import Outcome
from node.cli.pages import every
from node.cli.references import parse_url
from node.cli.secrets import hand_out
from node.cli.words import table, until

_USERS: Final = "/atoll/v1/users"
_GROUPS: Final = "/atoll/v1/groups"
_ACCOUNT: Final = "/atoll/v1/account"
_TOKENS: Final = f"{_ACCOUNT}/tokens"


def users(url: str) -> Outcome:
    """All users: every function here raises `CommandError` where the node does not do it."""
    found = list(every(parse_url(url), _USERS, "users"))
    rows = [
        (each["name"], "disabled" if each["disabled"] else "-", ", ".join(each["groups"]) or "-")
        for each in found
    ]
    return Outcome(table([("NAME", "STATE", "GROUPS"), *rows]), {"users": found})


def add_user(url: str, name: str, password: str | None) -> Outcome:
    """Make a user; without a *password* nobody logs in with one."""
    body = {"name": name} | ({} if password is None else {"password": password})
    made = ask_for(parse_url(url), "POST", _USERS, body=body).document
    return Outcome(f"there is a user {name}, who has no role yet: atoll role grant", made)


def set_user(url: str, name: str, *, disabled: bool, password: str | None = None) -> Outcome:
    """Say whether a user may log in, and give them a *password* if there is one."""
    base, body = parse_url(url), {"disabled": disabled, "password": password}
    ask_for(base, "PUT", f"{_USERS}/{quote(name, safe='')}", body=body)
    may = "may not log in" if disabled else "may log in"
    return Outcome(f"{name} {may}", {"name": name, "disabled": disabled})


def set_password(url: str, name: str, password: str) -> Outcome:
    """Give another user a password; whether they may log in stays as it is."""
    # The API sets both at once.
    found = every(parse_url(url), _USERS, "users")
    disabled = any(each["disabled"] for each in found if each["name"] == name)
    set_user(url, name, disabled=disabled, password=password)
    return Outcome(f"{name} has another password", {"name": name, "disabled": disabled})


def delete_user(url: str, name: str) -> Outcome:
    """Delete a user."""
    ask_for(parse_url(url), "DELETE", f"{_USERS}/{quote(name, safe='')}")
    return Outcome(f"there is no user {name} any more", {"name": name})


def whoami(url: str) -> Outcome:
    """Who the node takes the command for."""
    found = ask_for(parse_url(url), "GET", _ACCOUNT).document
    name = found["name"] or "nobody in particular: the registry is open"
    groups = f", in {', '.join(found['groups'])}" if found["groups"] else ""
    return Outcome(f"{name}{groups}", found)


def set_own_password(url: str, password: str) -> Outcome:
    """Change the password of whoever types the command, and log in again with it."""
    base = parse_url(url)
    name = ask_for(base, "GET", _ACCOUNT).document["name"]
    ask_for(base, "PUT", f"{_ACCOUNT}/password", body={"password": password})
    log_in_again(base, name, password)
    return Outcome(f"{name} has another password", {"name": name})


def groups(url: str) -> Outcome:
    """All groups."""
    found = list(every(parse_url(url), _GROUPS, "groups"))
    return Outcome("\n".join(found) or "there are no groups", {"groups": found})


def show_group(url: str, name: str) -> Outcome:
    """Who is in a group."""
    found = ask_for(parse_url(url), "GET", _group(name)).document
    return Outcome("\n".join(found["members"]) or f"nobody is in {name}", found)


def add_group(url: str, name: str) -> Outcome:
    """Make a group."""
    made = ask_for(parse_url(url), "POST", _GROUPS, body={"name": name}).document
    return Outcome(f"there is a group {name}, with nobody in it: atoll group add-users", made)


def change_group(url: str, name: str, *, add: Sequence[str], remove: Sequence[str]) -> Outcome:
    """Put users into a group, and take others out."""
    base, body = parse_url(url), {"add": list(add), "remove": list(remove)}
    ask_for(base, "PUT", _group(name), body=body)
    return show_group(url, name)


def delete_group(url: str, name: str) -> Outcome:
    """Delete a group."""
    ask_for(parse_url(url), "DELETE", _group(name))
    return Outcome(f"there is no group {name} any more", {"name": name})


def tokens(url: str) -> Outcome:
    """One's own tokens."""
    return shown_secrets(ask_for(parse_url(url), "GET", _TOKENS).document)


def add_token(url: str, body: dict[str, object], into: Path | None) -> Outcome:
    """Make a token of one's own."""
    base = parse_url(url)
    make = partial(made_secret, base, _TOKENS, body)
    return hand_out(make, into, str(body["label"]))


def made_secret(base: str, path: str, body: dict[str, object]) -> dict[str, object]:
    """The document of a secret that is made now."""
    made: dict[str, object] = ask_for(base, "POST", path, body=body).document
    return made


def revoke_token(url: str, token: str) -> Outcome:
    """Take a token of one's own back."""
    ask_for(parse_url(url), "DELETE", f"{_TOKENS}?{urlencode({'id': token})}")
    return Outcome(f"token {token} is good for nothing any more", {"id": token})


def shown_secrets(document: dict[str, Any]) -> Outcome:
    """A table of secrets, which has none of them."""
    rows = [
        (
            each["id"],
            each["label"],
            each["role"],
            ", ".join(each["patterns"]) or "all",
            until(each["created"]),
            until(each["expires"]),
        )
        for each in document["secrets"]
    ]
    head = ("ID", "LABEL", "AT MOST", "REPOSITORIES", "MADE", "EXPIRES")
    return Outcome(table([head, *rows]), document)


def _group(name: str) -> str:
    return f"{_GROUPS}/{quote(name, safe='')}"
