"""Reading manifests: what is accepted, what is required of the repository, what is refused."""

import json

import pytest

from cluster.model import Digest
from node.errors import ManifestInvalid
from node.registry import media_types
from node.registry.manifests import (
    Manifest,
    check_type,
    parse_manifest,
    platform_manifest,
    referrer_descriptor,
)
from node.registry.media_types import media_type_of
from tests.builders import Document, an_image, an_index, descriptor, encoded

CONFIG = Digest.of(b"config")
LAYER = Digest.of(b"layer")
CHILD = Digest.of(b"child", "sha512")
DOCKER = media_types.DOCKER_MANIFEST


def image(**changes: object) -> Document:
    return an_image((CONFIG, 6), (LAYER, 5), **changes)


def index(**changes: object) -> Document:
    return an_index(descriptor(CHILD, 7), **changes)


def parse(body: bytes) -> Manifest:
    return parse_manifest(Digest.of(body), body)


def check(document: object) -> Manifest:
    return parse(encoded(document))


def type_of(document: object, content_type: str | None) -> str:
    """The type that a manifest is stored with, which has to be the one that it is served with."""
    body = encoded(document)
    media_type = parse(body).media_type
    check_type(media_type, content_type)
    assert media_type_of(body) == media_type
    return media_type


def test_an_image_needs_its_config_and_layers():
    parsed = check(image())
    assert [(need.digest, need.size) for need in parsed.needs] == [(CONFIG, 6), (LAYER, 5)]
    assert not any(need.may_be_manifest for need in parsed.needs)
    assert parsed.subject is None


def test_an_index_needs_its_manifests_sha512_included():
    parsed = check(index())
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
    subject = {"mediaType": media_types.OCI_MANIFEST, "digest": CHILD, "size": 3}
    parsed = check(image(subject=subject))
    assert parsed.subject == CHILD
    assert CHILD not in [need.digest for need in parsed.needs]


def test_the_artifact_type_is_the_documents_or_its_configs():
    assert check(image(artifactType="a/b")).artifact_type == "a/b"
    assert check(image()).artifact_type == "application/vnd.oci.image.config.v1+json"
    assert check(index()).artifact_type is None


def test_content_type_parameters_are_ignored():
    media_type = type_of(image(), media_types.OCI_MANIFEST + "; charset=utf-8")
    assert media_type == media_types.OCI_MANIFEST


@pytest.mark.parametrize(
    "content_type",
    [None, "", "application/json", "application/octet-stream", "text/plain; charset=utf-8"],
)
def test_without_a_telling_content_type_the_document_decides(content_type: str | None):
    assert type_of(image(), content_type) == media_types.OCI_MANIFEST
    assert type_of(image(mediaType=None), content_type) == media_types.OCI_MANIFEST
    assert type_of(index(mediaType=None), content_type) == media_types.OCI_INDEX
    assert type_of(image(mediaType=DOCKER), content_type) == DOCKER


@pytest.mark.parametrize(
    ("document", "content_type"),
    [
        (image(), media_types.OCI_INDEX),
        (image(), DOCKER),
        (image(mediaType=None), DOCKER),
        (image(mediaType=None), media_types.OCI_INDEX),
        (image(mediaType=None), "application/vnd.acme+json"),
        (index(mediaType=None), media_types.DOCKER_LIST),
        (image(mediaType=DOCKER), media_types.OCI_MANIFEST),
        (image(), "application/x-www-form-urlencoded"),
        (image(), "no-slash"),
    ],
)
def test_a_content_type_that_contradicts_the_bytes_is_refused(document: object, content_type: str):
    """Broken: one client's header decides what another one's tag is served as."""
    with pytest.raises(ManifestInvalid, match="by its mediaType or its fields"):
        type_of(document, content_type)


@pytest.mark.parametrize(
    "document", [{"a": 1}, {"schemaVersion": 2}, {"schemaVersion": 2, "layers": []},
                 {"manifests": []}, image(mediaType="", schemaVersion=None)],
)  # fmt: skip
def test_a_document_that_does_not_say_what_it_is_is_refused(document: object):
    with pytest.raises(ManifestInvalid, match="has no mediaType"):
        type_of(document, "application/vnd.acme+json")


def test_a_media_type_keeps_its_case():
    odd = "Application/Vnd.OCI.Image.Manifest.v1+JSON"
    for content_type in (odd, media_types.OCI_MANIFEST, odd.upper(), None):
        assert type_of(image(mediaType=odd), content_type) == odd
    assert type_of(image(), odd) == media_types.OCI_MANIFEST
    with pytest.raises(ManifestInvalid, match="config"):
        check(image(mediaType=odd, config=None))


def test_unknown_types_are_kept_as_they_are():
    unknown = "application/vnd.Example.thing+json"
    document = {"anything": [1], "mediaType": unknown}
    assert type_of(document, unknown) == unknown
    assert check(document).needs == ()


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (image(manifests=[]), "not both"),
        (index(layers=[]), "not both"),
        (image(schemaVersion=1), "schema 1"),
        ({"schemaVersion": 1}, "schema 1"),
        ({"mediaType": "application/vnd.docker.distribution.manifest.v1+PRETTYJWS"}, "schema 1"),
        (image(schemaVersion=3), "schemaVersion"),
        (image(schemaVersion=None), "schemaVersion"),
        (image(config=None), "config"),
        (image(layers="x"), "schema"),
        ([], "schema"),
        *(({"mediaType": wrong}, "not a media type") for wrong in
          ("no-slash", "a/b c", "a/b;c=d", "a/b\r\nx: y", "\u00e4/b", "a/" + "b" * 254)),
        (image(layers=[{"digest": LAYER, "size": 2**63}]), "layers"),
        (image(annotations={"k": None}), "annotations"),
        (image(layers=[{"digest": "sha256:0", "size": 1}]), "digest"),
        (image(layers=[{"digest": LAYER, "size": -1}]), "layers"),
        (image(layers=[{"digest": LAYER, "size": 5}, {"digest": LAYER, "size": 6}]),
         "two different sizes"),
    ],
)  # fmt: skip
def test_refusals_say_why(document: object, reason: str):
    with pytest.raises(ManifestInvalid, match=reason):
        check(document)


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
        b'{"schemaVersion": ' + b"1" * 4_301 + b"}",
        b'{"config": {"size": ' + b"1" * 4_301 + b"}}",
    ],
)
def test_bodies_that_are_not_json_are_refused(body: bytes):
    with pytest.raises(ManifestInvalid):
        parse(body)


@pytest.mark.parametrize(
    "extra",
    ['"layers": []', '"Layers": []', '"MANIFESTS": []', '"mediatype": "a/b"', '"SchemaVersion": 1'],
)
def test_documents_that_read_in_two_ways_are_refused(extra: str):
    """CVE-2021-41190: Go matches keys without case, and parsers differ on equal keys."""
    body = json.dumps(image())[:-1] + "," + extra + "}"
    with pytest.raises(ManifestInvalid, match="ambiguous"):
        parse(body.encode())


@pytest.mark.parametrize("where", ["config", "subject", "layers", "manifests"])
@pytest.mark.parametrize("key", ["Digest", "SIZE", "mediatype", "\u017fize", "Platform"])
def test_descriptors_that_read_in_two_ways_are_refused(where: str, key: str):
    """Broken: who reads as Go does pulls other content than was looked for."""
    one = {"mediaType": "a/b", "digest": CONFIG, "size": 3}
    odd = {**one, key: {} if key == "Platform" else one.get(key.lower(), 3)}
    lists = where == "manifests"
    document = {"schemaVersion": 2, **({} if lists else {"config": one, "layers": [one]})}
    document |= {where: [odd] if where in ("layers", "manifests") else odd}
    with pytest.raises(ManifestInvalid, match="of a descriptor is ambiguous"):
        parse(json.dumps(document).encode())


def test_platforms_that_read_in_two_ways_are_refused():
    entry = {
        "mediaType": media_types.OCI_MANIFEST,
        "digest": CONFIG,
        "size": 3,
        "platform": {"OS": "linux"},
    }
    document = {"schemaVersion": 2, "manifests": [{**entry, "platform": None}, entry]}
    with pytest.raises(ManifestInvalid, match="of a descriptor is ambiguous"):
        parse(json.dumps(document).encode())


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
    body = encoded(image(artifactType="a/b", annotations={"k": "v"}))
    parsed = parse(body)
    entry = json.loads(referrer_descriptor(parsed, Digest.of(body), len(body)))
    assert entry == {
        "mediaType": media_types.OCI_MANIFEST,
        "digest": Digest.of(body),
        "size": len(body),
        "artifactType": "a/b",
        "annotations": {"k": "v"},
    }


def test_the_manifest_of_a_platform_is_found_in_an_index():
    entry = {"mediaType": media_types.OCI_MANIFEST, "digest": CHILD, "size": 7,
             "platform": {"os": "linux", "architecture": "arm64"}}  # fmt: skip
    body = encoded(index(manifests=[entry]))
    assert platform_manifest(body, os="linux", architecture="arm64") == CHILD
    assert platform_manifest(body, os="linux", architecture="amd64") is None
