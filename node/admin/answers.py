"""Answers of the admin API."""

from collections.abc import Mapping
from typing import Final

from aiohttp import web

from node.http import headers
from node.http.answers import empty_answer, json_answer
from node.http.endpoint import Answer
from node.registry.receipt import Receipt

DONE: Final = (Answer(status=204, doc="It holds.", fields=headers.RECEIPT),)
GONE: Final = (Answer(status=204, doc="It is gone.", fields=headers.RECEIPT),)
"""How `carried_out` is described, of what was made or changed and of what was taken away."""


def answer(
    document: object, fields: Mapping[str, str] | None = None, status: int = 200
) -> web.Response:
    """*document* as JSON that nobody keeps: it holds now."""
    return json_answer(document, {"Cache-Control": "no-store", **(fields or {})}, status)


def carried_out(receipt: Receipt | None) -> web.Response:
    """The change is made; None: there was nothing to change."""
    return empty_answer(204, {} if receipt is None else headers.receipt(receipt))


def document(status: int, doc: str, struct: type, *fields: str) -> Answer:
    """How such an answer is described."""
    return Answer(status=status, doc=doc, struct=struct, fields=(*fields, "Cache-Control"))
