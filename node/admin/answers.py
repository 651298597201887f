"""Answers of the admin API."""

from collections.abc import Mapping

from aiohttp import web

from node.http.answers import json_answer


def answer(
    document: object, fields: Mapping[str, str] | None = None, status: int = 200
) -> web.Response:
    """*document* as JSON that nobody keeps: it holds now."""
    return json_answer(document, {"Cache-Control": "no-store", **(fields or {})}, status)
