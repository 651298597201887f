"""What a manifest lists, as strangers write it."""

import json
from typing import Any

import pytest

from cluster.model import Digest
from node.desk.attached import kind_of
from node.desk.images import is_attestation
from node.desk.outline import ManifestOutline, outline
from tests.builders import Document, an_image, an_index, descriptor

CONFIG, LAYER = (Digest.of(b"config"), 6), (Digest.of(b"layer"), 5)
ABOUT = {"vnd.docker.reference.type": "attestation-manifest"}


def read(document: Document | bytes) -> ManifestOutline:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return outline(Digest.of(body), body)


def test_an_image_has_its_layers():
    found = read(an_image(CONFIG, LAYER, LAYER))
    assert (found.kind, found.has_image_config, found.artifact_type) == ("image", True, "")
    assert [(each.digest, each.size) for each in found.layers] == [LAYER, LAYER]


@pytest.mark.parametrize(
    ("changes", "type_"),
    [
        ({"artifactType": "a/sbom"}, "a/sbom"),
        ({"config": descriptor(*CONFIG, "application/vnd.cncf.helm.config.v1+json")}, None),
    ],
)
def test_what_is_no_image_is_an_artifact(changes: dict[str, Any], type_: str | None):
    found = read(an_image(CONFIG, LAYER, **changes))
    helm = "application/vnd.cncf.helm.config.v1+json"
    assert (found.kind, found.artifact_type) == ("artifact", type_ or helm)


def test_an_index_has_its_platforms():
    arm = {"os": "linux", "architecture": "arm64", "variant": "v8"}
    found = read(an_index(descriptor(*LAYER, platform=arm), descriptor(*CONFIG, annotations=ABOUT)))
    assert (found.kind, [each.platform for each in found.children]) == (
        "index",
        ["linux/arm64/v8", ""],
    )
    assert [is_attestation(each) for each in found.children] == [False, True]


@pytest.mark.parametrize("annotations", [5, None, [], "x", {"a": 5}, {"a": None}, {"a": ["b"]}])
def test_annotations_that_are_no_text_are_left_out(annotations: object):
    """Broken: one descriptor that is wrong hides the image; a push does not look at these."""
    found = read(an_index({**descriptor(*LAYER), "annotations": annotations}))
    assert len(found.children) == 1
    assert found.children[0].annotations == {}
    assert not is_attestation(found.children[0])


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b'{"layers": 5}', b'{"manifests": [{}]}'])
def test_what_cannot_be_read_lists_nothing(body: bytes):
    found = read(body)
    assert (found.layers, found.children, found.config) == ((), (), None)


@pytest.mark.parametrize(
    ("type_", "kind"),
    [
        ("application/vnd.dev.cosign.artifact.sig.v1+json", "signature"),
        ("application/vnd.cncf.notary.signature", "signature"),
        ("application/vnd.dev.sigstore.bundle.v0.3+json", "signature"),
        ("https://slsa.dev/provenance/v1", "provenance"),
        ("https://spdx.dev/Document", "sbom"),
        ("application/vnd.cyclonedx+json", "sbom"),
        ("application/vnd.syft+json", "sbom"),
        ("application/sarif+json", "scan"),
        ("https://cosign.sigstore.dev/attestation/vuln/v1", "scan"),
        ("application/vnd.in-toto+json", "other"),
        ("", "other"),
        ("SPDX", "sbom"),
    ],
)
def test_what_is_attached_has_a_kind(type_: str, kind: str):
    assert kind_of(type_) == kind
