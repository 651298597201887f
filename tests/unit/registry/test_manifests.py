"""Reading manifests: what is accepted, what is required of the repository, what is refused."""

import json

import pytest

from cluster.model import Digest
from node.errors import ManifestInvalid
from node.registry import manifests
from node.registry.manifests import parse_manifest, platform_manifest, referrer_descriptor

CONFIG = Digest.of(b"config")
LAYER = Digest.of(b"layer")
CHILD = Digest.of(b"child", "sha512")


def image(**changes: object) -> dict[str, object]:
    document: dict[str, object] = {
        "schemaVersion": 2,
        "mediaType": manifests.OCI_MANIFEST,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": CONFIG,
                   "size": 6},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": LAYER,
                    "size": 5}],
    }  # fmt: skip
    document.update(changes)
    return {key: value for key, value in document.items() if value is not None}


def index(**changes: object) -> dict[str, object]:
    document: dict[str, object] = {
        "schemaVersion": 2,
        "mediaType": manifests.OCI_INDEX,
        "manifests": [{"mediaType": manifests.OCI_MANIFEST, "digest": CHILD, "size": 7}],
    }
    document.update(changes)
    return {key: value for key, value in document.items() if value is not None}


def check(document: object, content_type: str | None = manifests.OCI_MANIFEST):
    return parse_manifest(content_type, json.dumps(document).encode())


def test_an_image_needs_its_config_and_layers():
    parsed = check(image())
    assert [(need.digest, need.size) for need in parsed.needs] == [(CONFIG, 6), (LAYER, 5)]
    assert not any(need.may_be_manifest for need in parsed.needs)
    assert parsed.subject is None


def test_an_index_needs_its_manifests_sha512_included():
    parsed = check(index(), manifests.OCI_INDEX)
    assert [(need.digest, need.may_be_manifest) for need in parsed.needs] == [(CHILD, True)]


@pytest.mark.parametrize(
    "media_type",
    [
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    ],
)
def test_layers_that_live_elsewhere_are_not_needed(media_type: str):
    layers = [{"mediaType": media_type, "digest": LAYER, "size": 5}]
    assert [need.digest for need in check(image(layers=layers)).needs] == [CONFIG]


def test_a_subject_is_not_needed_but_known():
    subject = {"mediaType": manifests.OCI_MANIFEST, "digest": CHILD, "size": 3}
    parsed = check(image(subject=subject))
    assert parsed.subject == CHILD
    assert CHILD not in [need.digest for need in parsed.needs]


def test_the_artifact_type_is_the_documents_or_its_configs():
    assert check(image(artifactType="a/b")).artifact_type == "a/b"
    assert check(image()).artifact_type == "application/vnd.oci.image.config.v1+json"
    assert check(index(), manifests.OCI_INDEX).artifact_type is None


def test_content_type_parameters_are_ignored():
    parsed = check(image(), manifests.OCI_MANIFEST + "; charset=utf-8")
    assert parsed.media_type == manifests.OCI_MANIFEST


@pytest.mark.parametrize("content_type", [None, "", "application/json"])
def test_without_a_telling_content_type_the_document_decides(content_type: str | None):
    assert check(image(), content_type).media_type == manifests.OCI_MANIFEST
    assert check(index(mediaType=None), content_type).media_type == manifests.OCI_INDEX


def test_unknown_types_are_kept_as_they_are():
    parsed = check({"anything": [1]}, "application/vnd.example.thing+json")
    assert parsed.media_type == "application/vnd.example.thing+json"
    assert parsed.needs == ()


@pytest.mark.parametrize(
    ("document", "content_type", "reason"),
    [
        (image(), manifests.OCI_INDEX, "mediaType"),
        (image(manifests=[]), manifests.OCI_MANIFEST, "not both"),
        (index(layers=[]), manifests.OCI_INDEX, "not both"),
        (image(schemaVersion=1), manifests.OCI_MANIFEST, "schema 1"),
        ({"schemaVersion": 1}, "application/vnd.docker.distribution.manifest.v1+json", "schema 1"),
        (image(schemaVersion=3), manifests.OCI_MANIFEST, "schemaVersion"),
        (image(schemaVersion=None), manifests.OCI_MANIFEST, "schemaVersion"),
        (image(config=None), manifests.OCI_MANIFEST, "config"),
        (image(layers=None), manifests.OCI_MANIFEST, "layers"),
        (index(manifests=None), manifests.OCI_INDEX, "manifests"),
        (image(layers="x"), manifests.OCI_MANIFEST, "schema"),
        ([], manifests.OCI_MANIFEST, "schema"),
        ({"a": 1}, None, "neither"),
        ({"a": 1}, "no-slash", "media type"),
        (image(layers=[{"digest": "sha256:0", "size": 1}]), manifests.OCI_MANIFEST, "digest"),
        (image(layers=[{"digest": LAYER, "size": -1}]), manifests.OCI_MANIFEST, "negative"),
        (image(layers=[{"digest": LAYER, "size": 5}, {"digest": LAYER, "size": 6}]),
         manifests.OCI_MANIFEST, "two different sizes"),
    ],
)  # fmt: skip
def test_refusals_say_why(document: object, content_type: str | None, reason: str):
    with pytest.raises(ManifestInvalid, match=reason):
        check(document, content_type)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe{}",
        b'{"a": "\xc3\x28"}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"annotations": ' + b'{"x":' * 100_000,
        b"nul",
    ],
)
def test_bodies_that_are_not_json_are_refused(body: bytes):
    with pytest.raises(ManifestInvalid):
        parse_manifest(manifests.OCI_MANIFEST, body)


@pytest.mark.parametrize(
    "extra",
    ['"layers": []', '"Layers": []', '"MANIFESTS": []', '"mediatype": "a/b"', '"SchemaVersion": 1'],
)
def test_documents_that_read_in_two_ways_are_refused(extra: str):
    """CVE-2021-41190: Go matches keys without case, and parsers differ on equal keys."""
    body = json.dumps(image())[:-1] + "," + extra + "}"
    with pytest.raises(ManifestInvalid, match="ambiguous"):
        parse_manifest(manifests.OCI_MANIFEST, body.encode())


def test_keys_elsewhere_may_look_like_ours():
    annotations = {"Layers": "1", "layers": "2", "MediaType": "3"}
    assert check(image(annotations=annotations)).annotations == annotations


@pytest.mark.parametrize("broken", [{"digest": "../../x"}, {"size": -5}])
def test_layers_that_live_elsewhere_are_well_formed_all_the_same(broken: dict[str, object]):
    media_type = "application/vnd.oci.image.layer.nondistributable.v1.tar"
    layer = {"mediaType": media_type, "digest": LAYER, "size": 5, **broken}
    with pytest.raises(ManifestInvalid):
        check(image(layers=[layer]))


def test_a_referrers_entry_carries_type_and_annotations():
    body = json.dumps(image(artifactType="a/b", annotations={"k": "v"})).encode()
    parsed = parse_manifest(manifests.OCI_MANIFEST, body)
    entry = json.loads(referrer_descriptor(parsed, Digest.of(body), len(body)))
    assert entry == {
        "mediaType": manifests.OCI_MANIFEST,
        "digest": Digest.of(body),
        "size": len(body),
        "artifactType": "a/b",
        "annotations": {"k": "v"},
    }


def test_the_manifest_of_a_platform_is_found_in_an_index():
    entry = {"mediaType": manifests.OCI_MANIFEST, "digest": CHILD, "size": 7,
             "platform": {"os": "linux", "architecture": "arm64"}}  # fmt: skip
    body = json.dumps(index(manifests=[entry])).encode()
    assert platform_manifest(body, os="linux", architecture="arm64") == CHILD
    assert platform_manifest(body, os="linux", architecture="amd64") is None
