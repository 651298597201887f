"""What somebody pastes to find an image."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.desk.pasted import Asked, parse_pasted

DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("text", "likeliest"),
    [
        ("lib/app", Asked("lib/app")),
        (" lib/app:v1 ", Asked("lib/app", "v1")),
        ("app", Asked("app")),
        ("localhost:5001/lib/app:v1", Asked("lib/app", "v1")),
        ("registry.example/lib/app:v1", Asked("lib/app", "v1")),
        ("registry.example:443/lib/app", Asked("lib/app")),
        (f"registry.example/lib/app:v1@{DIGEST}", Asked("lib/app", "v1", DIGEST)),
        ("docker pull registry.example/lib/app:v1", Asked("lib/app", "v1")),
        ("docker pull lib/app", Asked("lib/app")),
        ("docker pull app:v1", Asked("app", "v1")),
        ("docker pull --platform linux/arm64 h.example/lib/app:v1", Asked("lib/app", "v1")),
        ("docker pull --platform=linux/arm64 -q h.example/lib/app:v1", Asked("lib/app", "v1")),
        ("docker run --rm -it h.example/lib/app:v1 sh -c /bin/true", Asked("lib/app", "v1")),
        ("docker run --name x h.example/lib/app:v1", Asked("lib/app", "v1")),
        (f"crane manifest h.example/lib/app@{DIGEST}", Asked("lib/app", "", DIGEST)),
        ("crane ls h.example/lib/app", Asked("lib/app")),
        ("skopeo inspect docker://h.example/lib/app:v1", Asked("lib/app", "v1")),
        ("skopeo copy docker://h.example/lib/app:v1 oci:/tmp/x", Asked("lib/app", "v1")),
        ("'h.example/lib/app:v1'", Asked("lib/app", "v1")),
        ("https://h.example/lib/app", Asked("lib/app")),
        ("LIB/App", Asked("lib/app")),
    ],
)
def test_an_image_is_found_in_it(text: str, likeliest: Asked):
    assert parse_pasted(text).readings[0] == likeliest


def test_a_first_component_with_a_dot_may_be_a_host_or_not():
    assert parse_pasted("a.b/c:v1").readings == (Asked("c", "v1"), Asked("a.b/c", "v1"))
    assert parse_pasted("a/c:v1").readings == (Asked("a/c", "v1"),)


@pytest.mark.parametrize(
    ("text", "digest"),
    [(DIGEST, DIGEST), ("abcdef012345", "sha256:abcdef012345"), ("sha256:ab", "sha256:ab"),
     ("abc", ""), ("lib/app", ""), ("", "")],
)  # fmt: skip
def test_digests_are_told_by_their_beginning(text: str, digest: str):
    assert parse_pasted(text).digest == digest


@given(st.text(max_size=60) | st.text("docker pul:/@.-'\" ab19", max_size=60))
def test_whatever_it_is_it_is_read(text: str):
    for reading in parse_pasted(text).readings:
        assert " " not in reading.name
        assert not reading.name.startswith("/")
