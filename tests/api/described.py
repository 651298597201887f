"""Answers held against the OpenAPI document: each is one that it describes."""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import msgspec
from jsonschema import Draft202012Validator

from node import edge
from node.errors import MethodNotAllowed, NameInvalid, RouteUnknown
from node.http.routing import Router

DOCUMENT: Final[dict[str, Any]] = msgspec.json.decode(edge.described())

_ROUTER: Final = Router(edge.SERVED)

_ANYWHERE: Final = {
    "connection", "content-length", "content-type", "date", "server", "transfer-encoding", "vary",
    "x-content-type-options", "access-control-allow-origin", "access-control-expose-headers",
    "access-control-allow-credentials",
}  # fmt: skip
"""Fields that are about the message, or for browsers."""


def check(method: str, target: str, status: int, fields: Mapping[str, str], body: bytes) -> None:
    """Fail when an answer to *method* of *target* is none that is described."""
    path = target.partition("?")[0]
    if path != _ROUTER.tidy(path):
        assert status in (301, 303, 308, 400, 404, 405)
        return
    if status == 404 and b"no such endpoint" in body:  # it is not served at this door
        return
    try:
        endpoint = _ROUTER.resolve(method, path).endpoint
    except NameInvalid:
        assert status == 400
        return
    except (RouteUnknown, MethodNotAllowed):
        return
    if endpoint.is_page:  # is in no description of the API
        return
    responses = DOCUMENT["paths"][endpoint.path][method.lower()]["responses"]
    where = f"{method} {endpoint.path} {status}"
    assert str(status) in responses, f"{where} is not described: {body[:300]!r}"
    response = responses[str(status)]
    told = {name.lower() for name in response["headers"]}
    assert {name.lower() for name in fields} - _ANYWHERE <= told, where
    if method == "HEAD" or not body:
        return
    media_type = fields["Content-Type"].partition(";")[0]
    content = response["content"]
    assert media_type in content or "*/*" in content, f"{where} {media_type} is not described"
    if media_type == "application/json" and "schema" in content[media_type]:
        _validator(endpoint.path, method, status).validate(msgspec.json.decode(body))


@cache
def _validator(path: str, method: str, status: int) -> Draft202012Validator:
    response = DOCUMENT["paths"][path][method.lower()]["responses"][str(status)]
    schema = response["content"]["application/json"]["schema"]
    return Draft202012Validator({**schema, "components": DOCUMENT["components"]})
