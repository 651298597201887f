"""Changes of the metadata as values."""

import operator

import msgspec
import pytest

from cluster.model import Digest, plain
from node.registry.names import RepositoryName, Tag
from node.registry.values import (
    AddBlob,
    DeleteBlob,
    DeleteManifest,
    DeleteSetting,
    DeleteTag,
    DeleteUpload,
    Deletion,
    ManifestRecord,
    Put,
    PutManifest,
    PutSetting,
    PutUpload,
    UploadChange,
    UploadRecord,
)

REPO, TAG, DIGEST = RepositoryName("lib/app"), Tag("v1"), Digest.of(b"a")

CHANGES = [
    PutManifest(REPO, DIGEST, ManifestRecord("a/b", b"{}"), [TAG], [DIGEST]),
    AddBlob(REPO, DIGEST, 1, held=True, upload_id="u-1"),
    PutSetting("project", "lib", "{}"),
    DeleteManifest(REPO, DIGEST),
    DeleteTag(REPO, TAG),
    DeleteBlob(REPO, DIGEST),
    DeleteSetting("project", "lib"),
    PutUpload(UploadRecord("u-1", REPO, 5, 12.5)),
    DeleteUpload("u-1"),
]

_CHANGES: msgspec.msgpack.Decoder[Put | Deletion | UploadChange] = msgspec.msgpack.Decoder(
    Put | Deletion | UploadChange, dec_hook=operator.call
)


def test_every_kind_is_among_them():
    assert {type(change) for change in CHANGES} == {
        *Put.__args__,
        *Deletion.__args__,
        *UploadChange.__args__,
    }


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: type(change).__name__)
def test_a_change_can_go_to_another_process(change: msgspec.Struct):
    """Broken: there is something in it that only this process has."""
    assert _CHANGES.decode(msgspec.msgpack.encode(change, enc_hook=plain)) == change
