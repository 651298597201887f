"""`atoll project`: the policies of projects."""

import json
import re
from contextlib import suppress
from typing import Final
from urllib.parse import quote

from node.cli.client import ask_for
from node.cli.errors import CommandError
from node.cli.outcome import Outcome
from node.cli.references import parse_url

_NUMBER: Final = re.compile(r"-?[0-9]{1,18}")


def get(project: str, url: str) -> Outcome:
    """
    A project's policy; the text for people is JSON, too.

    Raises:
        CommandError: it could not be had.
    """
    return _shown(_get(project, url))


def change(project: str, url: str, changes: list[str]) -> Outcome:
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
        policy[name] = _value(value)
    answer = ask_for(parse_url(url), "PUT", _path(project), body=policy)
    return _shown(answer.document)


def delete(project: str, url: str) -> Outcome:
    """
    Give a project the defaults again.

    Raises:
        CommandError: it has them already, or the node could not be asked.
    """
    answer = ask_for(parse_url(url), "DELETE", _path(project))
    event = answer.headers.get("atoll-event")
    document = {"name": project, "policy": None, "event": event}
    return Outcome(f"project {project} has the default policy again", document)


def _get(project: str, url: str) -> dict[str, dict[str, object]]:
    document: dict[str, dict[str, object]] = ask_for(parse_url(url), "GET", _path(project)).document
    return document


def _shown(document: object) -> Outcome:
    return Outcome(json.dumps(document, indent=2), document)


def _value(text: str) -> object:
    """
    What a value on the command line is in JSON: numbers, lists, true and false look the same in
    both.
    """
    if _NUMBER.fullmatch(text):
        return int(text)
    if text in ("true", "false"):
        return text == "true"
    if text.startswith("["):
        with suppress(ValueError):
            return json.loads(text)
    return text


def _path(project: str) -> str:
    return f"/atoll/v1/projects/{quote(project, safe='')}"
