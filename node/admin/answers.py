"""Answers of the admin API."""

from collections.abc import Mapping

from aiohttp import web

from node.http.answers import json_answer
from node.http.endpoint import Answer


def answer(
    document: object, fields: Mapping[str, str] | None = None, status: int = 200
) -> web.Response:
    """*document* as JSON that nobody keeps: it holds now."""
    return json_answer(document, {"Cache-Control": "no-store", **(fields or {})}, status)


def document(status: int, doc: str, struct: type, *fields: str) -> Answer:
    """How such an answer is described."""
    return Answer(status=status, doc=doc, struct=struct, fields=(*fields, "Cache-Control"))
