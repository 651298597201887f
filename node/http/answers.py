"""Answers that several endpoints give."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from aiohttp import web

from node.http import headers
from node.http.json import encode_json


class ErrorEntry(msgspec.Struct, omit_defaults=True):
    """One thing that was wrong."""

    code: str
    message: str
    """A sentence for people."""

    detail: Any = None
    """What a program can use; left out where the message says it all."""


class Errors(msgspec.Struct):
    """A refusal."""

    errors: Sequence[ErrorEntry]


def json_answer(
    document: object, fields: Mapping[str, str] | None = None, status: int = 200
) -> web.Response:
    """*document* as JSON."""
    return web.Response(
        status=status,
        body=encode_json(document),
        content_type="application/json",
        headers={**headers.API_VERSION, **(fields or {})},
    )


def empty_answer(status: int, fields: Mapping[str, str] | None = None) -> web.Response:
    """An answer without a body."""
    return web.Response(status=status, headers={**headers.API_VERSION, **(fields or {})})
