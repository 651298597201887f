"""The paths on disk, and which names may become one."""

import os

import pytest

from cluster.model import Digest
from node.blobs.layout import BlobLayout


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_blob_lies_under_the_first_two_digits(algorithm):
    digest = Digest.of(b"x", algorithm)
    layout = BlobLayout("/data")
    expected = f"/data/blobs/{algorithm}/{digest.encoded[:2]}/{digest.encoded}"
    assert layout.blob(digest) == expected
    assert layout.blob_directory(digest) == os.path.dirname(expected)


@pytest.mark.parametrize("name", ["a", "0f-9.b", "A" * 200])
def test_staging_names_that_we_give(name):
    assert BlobLayout("/data").staged(name) == f"/data/staging/{name}"


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", ".put-1", "a/b", "../x", "a\0b", "a b", "a\n", "é", "-x", "A" * 201, "a_b"],
)
def test_staging_names_that_could_leave_the_directory_are_refused(name):
    """Broken: a forged upload id writes outside the staging directory."""
    with pytest.raises(ValueError, match="not a staging name"):
        BlobLayout("/data").staged(name)


def test_create_makes_every_directory_and_may_be_repeated(tmp_path):
    layout = BlobLayout(tmp_path / "data")
    layout.create()
    (tmp_path / "data/blobs/sha256/0a").rmdir()
    layout.create()
    for algorithm in ("sha256", "sha512"):
        names = sorted(os.listdir(tmp_path / "data/blobs" / algorithm))
        assert names == [f"{n:02x}" for n in range(256)]
    assert os.listdir(tmp_path / "data/staging") == []
