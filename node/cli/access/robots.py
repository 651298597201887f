"""`atoll robot`: accounts of programs, and their secrets."""

from functools import partial
from pathlib import Path
from urllib.parse import quote, urlencode

from node.cli.accounts.users import made_secret, shown_secrets
from node.cli.client import ask_for
from node.cli.outcome import Outcome
from node.cli.references import parse_url
from node.cli.secrets import hand_out
from node.cli.words import table, until


def robots(url: str, project: str) -> Outcome:
    """All of a project: every function here raises `CommandError` where the node does not do it."""
    found = ask_for(parse_url(url), "GET", _robots_of(project)).document
    rows = [
        (each["name"], "disabled" if each["disabled"] else "-", until(each["expires"]))
        for each in found["robots"]
    ]
    return Outcome(table([("NAME", "STATE", "EXPIRES"), *rows]), found)


def add_robot(url: str, name: str, expires: float) -> Outcome:
    """Make a robot."""
    path = _robots_of(name.partition("+")[0])
    made = ask_for(parse_url(url), "POST", path, body={"name": name, "expires": expires}).document
    rest = "with no role and no secret: atoll role grant, atoll robot add-secret"
    return Outcome(f"there is a robot {name}, {rest}", made)


def set_robot(url: str, name: str, *, disabled: bool) -> Outcome:
    """Say whether a robot may log in; its end stays."""
    path = _robots_of(name.partition("+")[0])
    found = ask_for(parse_url(url), "GET", path).document["robots"]
    expires = next((each["expires"] for each in found if each["name"] == name), 0.0)
    body = {"disabled": disabled, "expires": expires}
    ask_for(parse_url(url), "PUT", _robot(name), body=body)
    return Outcome(f"{name} may{' not' if disabled else ''} log in", {"name": name, **body})


def delete_robot(url: str, name: str) -> Outcome:
    """Delete a robot."""
    ask_for(parse_url(url), "DELETE", _robot(name))
    return Outcome(f"there is no robot {name} any more", {"name": name})


def secrets(url: str, name: str) -> Outcome:
    """The secrets of a robot, short of what they are."""
    return shown_secrets(ask_for(parse_url(url), "GET", f"{_robot(name)}/secrets").document)


def add_secret(url: str, name: str, body: dict[str, object], into: Path | None) -> Outcome:
    """Make a secret for a robot, beside those that it has."""
    make = partial(made_secret, parse_url(url), f"{_robot(name)}/secrets", body)
    return hand_out(make, into, name)


def revoke_secret(url: str, name: str, secret: str) -> Outcome:
    """Take a secret of a robot back."""
    query = urlencode({"id": secret})
    ask_for(parse_url(url), "DELETE", f"{_robot(name)}/secrets?{query}")
    return Outcome(f"secret {secret} is good for nothing any more", {"name": name, "id": secret})


def _robots_of(project: str) -> str:
    return f"/atoll/v1/access/{quote(project, safe='')}/robots"


def _robot(name: str) -> str:
    return f"/atoll/v1/robots/{quote(name, safe='')}"
