"""Counting the tokens of a JSON text before it is decoded: exact, and about as deep as it is."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.model import Digest
from node.errors import ManifestInvalid
from node.registry import structure
from node.registry.manifests import parse_manifest
from node.registry.structure import (
    DEPTH_MAX,
    TOKENS_MAX,
    TooMuch,
    check_bounds,
    is_within_bounds,
)

TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},:]|[^\s\[\]{},:"]+')
"""The tokens of RFC 8259, the slow way."""

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def depth_of(value: object) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(depth_of, value), default=0) if isinstance(value, list) else 0


@given(JSON, st.booleans(), st.sampled_from([None, 1, "\t"]))
def test_exactly_the_bound_is_taken(value: object, ascii_only: bool, indent: int | str | None):
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    with pytest.MonkeyPatch.context() as bounds:
        for tokens in (0, -1):
            bounds.setattr(structure, "TOKENS_MAX", len(TOKEN.findall(text)) + tokens)
            assert is_within_bounds(text.encode()) == (tokens == 0)
        bounds.undo()
        for depth in (0, -1):
            bounds.setattr(structure, "DEPTH_MAX", max(0, depth_of(value) + depth))
            assert is_within_bounds(text.encode()) == (depth == 0 or depth_of(value) == 0)


@pytest.mark.parametrize(
    "text",
    [
        rb'"\\"',
        rb'"\""',
        rb'"\\\""',
        rb'["\\",{"\"":"\\\\"}]',
        rb'"[[[\"]]]\\[,,,:"',
        b'"\\\\\\\\"',
    ],
)
def test_what_is_in_a_string_does_not_count(text: bytes):
    with pytest.MonkeyPatch.context() as bounds:
        bounds.setattr(structure, "TOKENS_MAX", len(TOKEN.findall(text.decode())))
        bounds.setattr(structure, "DEPTH_MAX", depth_of(json.loads(text)))
        check_bounds(text)
        bounds.setattr(structure, "TOKENS_MAX", len(TOKEN.findall(text.decode())) - 1)
        with pytest.raises(TooMuch, match="tokens"):
            check_bounds(text)


def document(field: bytes) -> tuple[Digest, bytes]:
    body = b'{"mediaType":"a/b","x":%b}' % field
    return Digest.of(body), body


@pytest.mark.parametrize("levels", [DEPTH_MAX, DEPTH_MAX + 1])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"k":', b"}")])
def test_a_manifest_may_be_32_deep(levels: int, opening: bytes, closing: bytes):
    inner = opening * (levels - 1) + b"1" + closing * (levels - 1)
    if levels == DEPTH_MAX:
        parse_manifest(*document(inner))
    else:
        with pytest.raises(ManifestInvalid, match="more than 32 deep"):
            parse_manifest(*document(inner))


@pytest.mark.parametrize("unit", [b"[]", b"1", b'""', b"{}", b'{"a":1}'])
def test_a_manifest_may_have_100_000_tokens(unit: bytes):
    """Broken: one body of 4 MiB, of empty arrays, stops every node for seconds."""
    each = len(TOKEN.findall(unit.decode())) + 1
    count = (TOKENS_MAX - len(TOKEN.findall(document(b"[]")[1].decode())) + 1) // each
    parse_manifest(*document(b"[" + b",".join([unit] * count) + b"]"))
    with pytest.raises(ManifestInvalid, match="more than 100000 JSON tokens"):
        parse_manifest(*document(b"[" + b",".join([unit] * (count + 1)) + b"]"))


def test_four_megabytes_of_one_string_are_few_tokens():
    text = b'[{,:\\"' * (4 << 17)
    parse_manifest(*document(b'"%b"' % text))


@given(
    st.binary(max_size=40)
    | st.text('{}[],:"\\u0041ntrue1.e- ', max_size=40).map(str.encode)
    | JSON.map(lambda value: json.dumps(value).encode())
)
def test_what_is_taken_is_json(field: bytes):
    """Broken: what is skipped is not looked at, and clients cannot read what was stored."""
    digest, body = document(field)
    try:
        parse_manifest(digest, body)
    except ManifestInvalid:
        return
    json.loads(body)
