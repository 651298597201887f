"""`atoll project`: the policies of projects."""

import json
from urllib.parse import quote

from node.cli.client import ask_for
from node.cli.errors import CommandError
from node.cli.references import parse_url


def get(project: str, url: str) -> str:
    """
    A project's policy as JSON.

    Raises:
        CommandError: it could not be had.
    """
    return json.dumps(_get(project, url), indent=2)


def change(project: str, url: str, changes: list[str]) -> str:
    """
    Set fields (`NAME=VALUE`) of a project's policy and leave the others as they are.

    The policy is read and written as a whole: of two who do this at once, one wins.

    Raises:
        CommandError: the node refuses the policy, or could not be asked.
    """
    policy = dict(_get(project, url)["policy"])
    for given in changes:
        name, equals, value = given.partition("=")
        if not equals:
            raise CommandError(f"{given!r} is not FIELD=VALUE")
        policy[name] = int(value) if value.isdecimal() else value
    answer = ask_for(parse_url(url), "PUT", _path(project), body=policy)
    return json.dumps(answer.document, indent=2)


def delete(project: str, url: str) -> None:
    """
    Give a project the defaults again.

    Raises:
        CommandError: it has them already, or the node could not be asked.
    """
    ask_for(parse_url(url), "DELETE", _path(project))


def _get(project: str, url: str) -> dict[str, dict[str, object]]:
    document: dict[str, dict[str, object]] = ask_for(parse_url(url), "GET", _path(project)).document
    return document


def _path(project: str) -> str:
    return f"/atoll/v1/projects/{quote(project, safe='')}"
