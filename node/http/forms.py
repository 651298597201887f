"""Bodies that are forms, as HTML and OAuth 2 have them."""

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import parse_qs

from node.errors import DocumentInvalid
from node.http.body_reader import read_small
from node.http.endpoint import Request
from node.http.limits import FORM_FIELDS, ApiLimits

FORM: Final = "application/x-www-form-urlencoded"
"""The type of such a body."""


class FormFields:
    """The fields of a form that was sent."""

    def __init__(self, given: Mapping[str, Sequence[str]]) -> None:
        self._given = given

    def one(self, name: str) -> str:
        """
        The value of a field; empty where it is not there.

        Raises:
            DocumentInvalid: it came twice.
        """
        values = self._given.get(name, [""])
        if len(values) > 1:
            raise DocumentInvalid(f"{name!r} may be given once only")
        return values[0]

    def all(self, name: str) -> Sequence[str]:
        """The values of a field that may come often: boxes that were ticked, say."""
        return self._given.get(name, [])


async def read_form(request: Request, limits: ApiLimits) -> FormFields:
    """
    The body of *request*.

    Raises:
        DocumentTooLarge, DocumentInvalid, BodyIncomplete, BodyStalled: it could not be had.
    """
    body = await read_small(request, limits)
    try:
        given = parse_qs(
            body.decode(),
            keep_blank_values=True,
            strict_parsing=True,
            max_num_fields=FORM_FIELDS.number,
        )
    except (ValueError, UnicodeDecodeError) as exc:
        raise DocumentInvalid("the body is no form") from exc
    return FormFields(given)
