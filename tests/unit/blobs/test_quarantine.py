"""Damaged copies are kept, as far as there is room for them."""

import os

import pytest

from cluster.model import Digest
from node.blobs import quarantine
from node.blobs.layout import BlobLayout
from node.blobs.publisher import HIDDEN_MAX, Publisher, Withdrawn
from node.blobs.quarantine import BYTES_MAX, FILES_MAX, Quarantine, digest_of
from node.blobs.verified import VerifiedFiles


@pytest.fixture
def layout(tmp_path):
    layout = BlobLayout(tmp_path)
    layout.create()
    return layout


@pytest.fixture
def kept(layout):
    quarantine = Quarantine(layout)
    quarantine.open()
    return quarantine


@pytest.fixture
def publisher(layout, kept):
    return Publisher(layout, VerifiedFiles(60.0, slots=64), kept)


def store(layout, publisher, data, algorithm="sha256"):
    digest = Digest.of(data, algorithm)
    staged = layout.staged("in")
    with open(staged, "wb") as file:
        file.write(data)
    publisher.publish(staged, digest)
    return digest, os.stat(layout.blob(digest))


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_copy_is_set_aside_under_the_name_of_its_blob(layout, kept, publisher, algorithm):
    digest, stat = store(layout, publisher, b"rotten", algorithm)
    assert publisher.withdraw(digest, stat, keep=False) is Withdrawn.SET_ASIDE
    [name] = os.listdir(layout.quarantine)
    assert digest_of(name) == digest
    assert not os.path.exists(layout.blob(digest))
    assert kept.files == 1
    assert publisher.withdraw(digest, stat, keep=False) is Withdrawn.GONE
    again = Quarantine(layout)
    again.open()
    assert again.files == 1


def test_a_copy_that_was_replaced_meanwhile_stays(layout, publisher):
    """Broken: what somebody fetched in the place of a damaged copy is thrown out with it."""
    digest, old = store(layout, publisher, b"data")
    os.link(layout.blob(digest), layout.staged("held-open"))
    digest, _ = store(layout, publisher, b"data")
    assert publisher.withdraw(digest, old, keep=False) is Withdrawn.GONE
    assert os.path.exists(layout.blob(digest))
    assert publisher.is_sure(digest)


def test_what_is_to_be_kept_is_hidden_until_a_new_copy_comes(layout, publisher):
    digest, stat = store(layout, publisher, b"data")
    assert publisher.withdraw(digest, stat, keep=True) is Withdrawn.HIDDEN
    assert os.path.exists(layout.blob(digest))
    assert not publisher.is_sure(digest)
    assert publisher.withdraw(digest, stat, keep=True) is Withdrawn.GONE
    store(layout, publisher, b"data")
    assert publisher.is_sure(digest)
    assert publisher.hidden() == []


def test_the_oldest_that_is_replaced_makes_room(layout, publisher, monkeypatch):
    """Broken: a disk that rots fills itself with what it rotted."""
    monkeypatch.setattr(quarantine, "FILES_MAX", 2)
    first, stat = store(layout, publisher, b"1")
    publisher.withdraw(first, stat, keep=False)
    second, stat = store(layout, publisher, b"2")
    publisher.withdraw(second, stat, keep=False)
    store(layout, publisher, b"2")
    third, stat = store(layout, publisher, b"3")
    assert publisher.withdraw(third, stat, keep=False) is Withdrawn.SET_ASIDE
    assert {digest_of(name) for name in os.listdir(layout.quarantine)} == {first, third}


@pytest.mark.parametrize("bound", ["FILES_MAX", "BYTES_MAX"])
def test_without_room_it_is_hidden_and_nothing_is_deleted(layout, publisher, monkeypatch, bound):
    """Broken: the only copy of a blob is deleted, damaged as it is, to keep another."""
    monkeypatch.setattr(quarantine, bound, 1)
    first, stat = store(layout, publisher, b"1")
    assert publisher.withdraw(first, stat, keep=False) is Withdrawn.SET_ASIDE
    second, stat = store(layout, publisher, b"2")
    assert publisher.withdraw(second, stat, keep=False) is Withdrawn.HIDDEN
    assert os.path.exists(layout.blob(second))
    assert {digest_of(name) for name in os.listdir(layout.quarantine)} == {first}


def test_what_cannot_be_renamed_is_hidden(layout, publisher, monkeypatch):
    """Broken: on a filesystem that turned read-only a rotten blob is served on."""
    digest, stat = store(layout, publisher, b"data")

    def read_only(*_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "rename", read_only)
    assert publisher.withdraw(digest, stat, keep=False) is Withdrawn.HIDDEN
    assert not publisher.is_sure(digest)


def test_what_is_hidden_is_bounded(layout, publisher):
    for number in range(HIDDEN_MAX):
        publisher._hidden[Digest.of(b"%d" % number)] = None
    digest, stat = store(layout, publisher, b"one more")
    assert publisher.withdraw(digest, stat, keep=True) is Withdrawn.KEPT
    assert publisher.is_sure(digest)


def test_the_bounds():
    assert FILES_MAX == 1_000
    assert BYTES_MAX == 10 << 30


@pytest.mark.parametrize("name", ["x", "sha256-12.5", ".probe", "md5-00.1"])
def test_other_names_are_of_no_blob(name):
    assert digest_of(name) is None
