"""`atoll access`, `role` and `auth`: who may reach a project, and why."""

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote, urlencode

from node.cli.client import ask, ask_for
from node.cli.errors import CommandError
from node.cli.outcome import Outcome
from node.cli.pages import every
from node.cli.references import parse_url
from node.cli.words import table, until

STRANGER: Final = "-"
"""What stands for nobody: no user can be called so."""

_ACCESS: Final = "/atoll/v1/access"
EVERYWHERE: Final = "/atoll/v1/roles"
_KEYS: Final = "/atoll/v1/keys"


def projects(url: str) -> Outcome:
    """All projects: every function here raises `CommandError` where the node does not do it."""
    found = list(every(parse_url(url), _ACCESS, "projects"))
    return Outcome("\n".join(found) or "nobody has made a project", {"projects": found})


def show(url: str, project: str) -> Outcome:
    """Who may reach a project."""
    found = _reachable(url, project)
    lines = [f"{project} is {'public: strangers may pull' if found['public'] else 'private'}"]
    if found["conflicting"]:
        lines += ["CONFLICT: it was made twice; nobody has a role in it until it is set again"]
    lines += [f"denied: {_denial(each)}" for each in found["denies"]]
    lines += [_roles_table(found["roles"])] if found["roles"] else ["nobody has a role in it"]
    return Outcome("\n".join(lines), found)


def change(
    url: str,
    project: str,
    *,
    public: bool | None,
    deny: Sequence[str],
    allow: Sequence[str],
) -> Outcome:
    """
    Make a project, or change who may reach it; what is not said stays. A denial is
    SUBJECT:VERB:PATTERN.
    """
    base = parse_url(url)
    answer = ask(base, "GET", f"{_ACCESS}/{quote(project, safe='')}")
    if answer.status not in (200, 404):
        raise CommandError(answer.error())
    before: dict[str, Any] = {"public": False, "denies": []}
    if answer.status == 200:
        before = answer.document
    gone = [_denied(text) for text in allow]
    if missing := [
        text for text, each in zip(allow, gone, strict=True) if each not in before["denies"]
    ]:
        raise CommandError(f"{project} does not deny {', '.join(missing)}; nothing was done")
    kept = [each for each in before["denies"] if each not in gone]
    body = {
        "public": before["public"] if public is None else public,
        "denies": [*kept, *(_denied(text) for text in deny)],
    }
    ask_for(base, "PUT", f"{_ACCESS}/{quote(project, safe='')}", body=body)
    return show(url, project)


def delete(url: str, project: str) -> Outcome:
    """End all roles in a project."""
    ask_for(parse_url(url), "DELETE", f"{_ACCESS}/{quote(project, safe='')}")
    told = f"nobody has a role in {project} any more; what is stored in it stays"
    return Outcome(told, {"name": project})


def roles(url: str, project: str | None) -> Outcome:
    """Who has a role in a project; without one, in all of them and in the cluster."""
    if project is not None:
        found = _reachable(url, project)["roles"]
    else:
        found = ask_for(parse_url(url), "GET", EVERYWHERE).document["roles"]
    return Outcome(_roles_table(found), {"roles": found})


def grant(url: str, project: str | None, role: dict[str, object]) -> Outcome:
    """Give somebody a role in a project, or everywhere, in the place of the one they had there."""
    ask_for(parse_url(url), "POST", _roles_of(project), body=role)
    return Outcome(f"{role['subject']} is {role['role']} {_where(project)}", role)


def revoke(url: str, project: str | None, subject: str) -> Outcome:
    """Take the role of somebody away."""
    path = f"{_roles_of(project)}?{urlencode({'subject': subject})}"
    ask_for(parse_url(url), "DELETE", path)
    return Outcome(f"{subject} has no role {_where(project)}", {"subject": subject})


def why(url: str, user: str, action: str, repository: str) -> tuple[bool, Outcome]:
    """Whether *user* may do *action* there, and why."""
    who = "" if user == STRANGER else user
    query = urlencode({"user": who, "action": action, "repository": repository})
    found = ask_for(parse_url(url), "GET", f"/atoll/v1/why?{query}").document
    told = f"{'yes' if found['allowed'] else 'no'}: {found['reason']}"
    return found["allowed"], Outcome(told, found)


def keys(url: str) -> Outcome:
    """The keys that tokens are signed with."""
    found = ask_for(parse_url(url), "GET", _KEYS).document["keys"]
    rows = [(each["key"], each["node"], until(each["expires"])) for each in found]
    return Outcome(table([("KEY", "NODE", "EXPIRES"), *rows]), {"keys": found})


def revoke_key(url: str, key: str) -> Outcome:
    """Void all tokens that a key has signed."""
    ask_for(parse_url(url), "POST", f"{_KEYS}/revoke", body={"key": key})
    return Outcome(f"what {key} signed is refused; its node makes another one", {"key": key})


def _reachable(url: str, project: str) -> dict[str, Any]:
    found: dict[str, Any]
    found = ask_for(parse_url(url), "GET", f"{_ACCESS}/{quote(project, safe='')}").document
    return found


def _denied(text: str) -> dict[str, str]:
    parts = text.split(":")
    if len(parts) != 3:
        raise CommandError(f"{text!r} is not SUBJECT:VERB:PATTERN, such as '*:delete:lib/**'")
    return dict(zip(("subject", "verb", "pattern"), parts, strict=True))


def _denial(deny: dict[str, str]) -> str:
    return f"{deny['subject']}:{deny['verb']}:{deny['pattern']}"


def _roles_table(found: Sequence[dict[str, Any]]) -> str:
    rows = [
        (
            each["subject"],
            each["role"],
            ", ".join(each["patterns"]) or "all",
            until(each["expires"]),
        )
        for each in found
    ]
    return table([("SUBJECT", "ROLE", "REPOSITORIES", "EXPIRES"), *rows])


def _roles_of(project: str | None) -> str:
    return EVERYWHERE if project is None else f"{_ACCESS}/{quote(project, safe='')}/roles"


def _where(project: str | None) -> str:
    return "everywhere" if project is None else f"in {project}"
