"""What a sender of a JSON body is told."""

import enum
from typing import Annotated, Literal

import msgspec
import pytest

from node.http.documents import explain


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Body(msgspec.Struct, forbid_unknown_fields=True):
    colour: Colour = Colour.RED
    size: Annotated[int, msgspec.Meta(ge=1, le=9)] = 1
    name: str | None = None
    names: list[str] | Literal["all", "none"] = "all"
    force: bool = False


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"colour": "green"}', "colour must be one of red, blue"),
        ('{"colour": 7}', "colour must be one of red, blue"),
        ('{"size": 10}', "size must be a whole number from 1 to 9"),
        ('{"size": "x"}', "size must be a whole number from 1 to 9"),
        ('{"name": 1}', "name must be a text or null"),
        ('{"force": 1}', "force must be true or false"),
        ('{"names": [1]}', "names must be"),
        ('{"weight": 1}', "there is no field 'weight'; the fields are colour, size, name, names"),
        ("[]", "the body must be a JSON object with the fields colour, size"),
        ("{", "the body is not JSON"),
        ("", "the body is not JSON"),
    ],
)
def test_the_field_and_what_it_takes_are_named(body, said):
    """Broken: people read the words of a library about types that they have never seen."""
    with pytest.raises(msgspec.DecodeError) as raised:
        msgspec.json.decode(body, type=Body)
    text = explain(raised.value, Body)
    assert text.startswith(said)
    assert "$" not in text
