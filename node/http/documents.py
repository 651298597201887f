"""What is wrong with a JSON body, in words that its sender can use."""

import enum
from typing import Any, Final

import msgspec
from msgspec import inspect

_AT: Final = " - at `$"


def explain(error: Exception, document_type: type[msgspec.Struct]) -> str:
    """
    One sentence about why a body is no *document_type*.

    It names the field as its sender wrote it and what the field takes: the words of the library
    that decodes are about its own types.
    """
    text = str(error)
    if not isinstance(error, msgspec.ValidationError):
        return f"the body is not JSON: {text}"
    known = {field.encode_name: field.type for field in _fields(document_type)}
    _, _, where = text.partition(_AT)
    name = where.strip("`").lstrip(".").partition(".")[0].partition("[")[0]
    if name in known:
        return f"{name} must be {accepts(known[name])}"
    if "unknown field" in text:
        unknown = text.partition("`")[2].partition("`")[0]
        return f"there is no field {unknown[:40]!r}; the fields are {', '.join(known)}"
    return f"the body must be a JSON object with the fields {', '.join(known)}"


def _fields(document_type: type[msgspec.Struct]) -> tuple[inspect.Field, ...]:
    found = inspect.type_info(document_type)
    assert isinstance(found, inspect.StructType)
    return found.fields


def structs_in(kind: inspect.Type) -> list[type]:
    """The structs that a value of *kind* has in it, each once; itself is none of them."""
    match kind:
        case inspect.StructType():
            inner = [field.type for field in kind.fields]
        case inspect.UnionType():
            inner = list(kind.types)
        case inspect.CollectionType():
            inner = [kind.item_type]
        case _:
            inner = []
    found: list[type] = []
    for each in inner:
        found += [each.cls] if isinstance(each, inspect.StructType) else structs_in(each)
    return list(dict.fromkeys(found))


def accepts(kind: inspect.Type) -> str:
    """The values of a type, in words."""
    match kind:
        case inspect.Metadata():
            described = (kind.extra_json_schema or {}).get("description")
            return accepts(kind.type) if described is None else str(described)
        case inspect.EnumType():
            return f"one of {_alternatives(member.value for member in kind.cls)}"
        case inspect.LiteralType():
            return f"one of {_alternatives(kind.values)}"
        case inspect.IntType():
            return f"a whole number{_bounds(kind.ge, kind.le)}"
        case inspect.StrType():
            return "a text"
        case inspect.BoolType():
            return "true or false"
        case inspect.NoneType():
            return "null"
        case inspect.FloatType():
            return "a number"
        case inspect.StructType():
            return kind.cls.__name__
        case inspect.DictType():
            return f"an object, of which each value is {accepts(kind.value_type)}"
        case inspect.CollectionType():
            return f"a list, of which each entry is {accepts(kind.item_type)}"
        case inspect.UnionType():
            return " or ".join(accepts(each) for each in kind.types)
        case _:
            return "another value"


def _alternatives(values: Any) -> str:
    return ", ".join(
        str(value.value if isinstance(value, enum.Enum) else value) for value in values
    )


def _bounds(least: int | None, most: int | None) -> str:
    if least is None and most is None:
        return ""
    if most is None:
        return f", {least} or more"
    return f" from {least} to {most}" if least is not None else f", {most} at the most"
