"""Names: the grammar of the specification, and nothing that could become a path or a prefix."""

import pytest

from cluster.model import Digest
from node.errors import DigestInvalid, NameInvalid, TagInvalid
from node.registry.names import RepositoryName, Tag, parse_digest, parse_reference

HEX = "a" * 64


@pytest.mark.parametrize(
    "name", ["a", "library/alpine", "a/b/c/d", "a.b", "a_b", "a__b", "a---b", "0/1", "a" * 255]
)
def test_good_repository_names(name: str):
    assert RepositoryName.parse(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "/", "a/", "/a", "a//b", "A", "a..b", "a/../b", "..", ".", "a___b", "-a", "a-", "a b",
     "a\0b", "a\n", "é", "a%2fb", "a:b", "a" * 256],
)  # fmt: skip
def test_bad_repository_names(name: str):
    with pytest.raises(NameInvalid):
        RepositoryName.parse(name)


@pytest.mark.parametrize("tag", ["latest", "1.0", "_x", "A-b.C", "a" * 128])
def test_good_tags(tag: str):
    assert Tag.parse(tag) == tag


@pytest.mark.parametrize("tag", ["", ".a", "-a", "a/b", "a" * 129, "a b", "a\0", "a\n", "ü", ".."])
def test_bad_tags(tag: str):
    with pytest.raises(TagInvalid):
        Tag.parse(tag)


@pytest.mark.parametrize(
    "text",
    ["", "sha256", "sha256:", f"sha256:{HEX}a", f"sha256:{HEX[:-1]}", f"sha256:{HEX.upper()}",
     f"md5:{'a' * 32}", f"sha512:{HEX}", f"sha256:{HEX[:-1]}g", f"sha256:{HEX}\n", "sha256:../.."],
)  # fmt: skip
def test_bad_digests(text: str):
    with pytest.raises(DigestInvalid):
        parse_digest(text)


def test_a_colon_makes_it_a_digest():
    assert isinstance(parse_reference(f"sha256:{HEX}"), Digest)
    assert isinstance(parse_reference(HEX), Tag)
    with pytest.raises(DigestInvalid):
        parse_reference("latest:1")
