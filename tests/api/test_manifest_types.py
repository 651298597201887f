"""Manifests as clients write them: what they are is in their bytes, and null is nothing."""

import json
from typing import NamedTuple

import pytest

from node.registry.media_types import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from tests.api.conftest import Registry, image
from tests.builders import Document, an_index, changed, descriptor, encoded

CONFIG = b"{}"
LAYER = b"a layer"
REPO = "lib/app"


async def documents(registry: Registry) -> tuple[Document, Document]:
    """An image of one layer and an index of that image, neither with a mediaType."""
    config = (await registry.push_blob(REPO, CONFIG), len(CONFIG))
    layer = (await registry.push_blob(REPO, LAYER), len(LAYER))
    one = json.loads(image(config, layer))
    child = await registry.push_image(REPO)
    answer = await registry.call("GET", f"/v2/{REPO}/manifests/{child}")
    entry = descriptor(child, len(answer.body))
    return changed(one, mediaType=None), an_index(entry, mediaType=None)


async def put(registry: Registry, tag: str, document: Document, content_type: str | None) -> int:
    answer = await registry.call(
        "PUT",
        f"/v2/{REPO}/manifests/{tag}",
        data=encoded(document),
        headers={} if content_type is None else {"Content-Type": content_type},
        skip_auto_headers=["Content-Type"],
    )
    if answer.status == 400:
        assert answer.codes == ["MANIFEST_INVALID"]
    return answer.status


async def type_of(registry: Registry, reference: str) -> str:
    types = {
        (await registry.call(method, f"/v2/{REPO}/manifests/{reference}")).headers["Content-Type"]
        for method in ("GET", "HEAD")
    }
    assert len(types) == 1
    return types.pop()


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        (None, 201),
        ("text/plain", 201),
        ("text/plain; charset=utf-8", 201),
        ("application/json", 201),
        ("application/octet-stream", 201),
        (OCI_MANIFEST.upper(), 201),
        (OCI_MANIFEST + ";charset=utf-8", 201),
        (DOCKER_MANIFEST, 400),
        (OCI_INDEX, 400),
        (DOCKER_LIST, 400),
        ("application/vnd.acme+json", 400),
        ("application/x-www-form-urlencoded", 400),
    ],
)
async def test_a_push_to_one_tag_leaves_the_type_of_another(
    registry: Registry, content_type: str | None, status: int
):
    """Broken: helm, oras and crane cannot pull `v1` any more, as somebody pushed `other`."""
    document, _ = await documents(registry)
    for first, second in (("v1", "other"), ("other", "v1")):
        answers = {
            first: await put(registry, first, document, OCI_MANIFEST),
            second: await put(registry, second, document, content_type),
        }
        assert answers == {first: 201, second: status}
        assert await type_of(registry, "v1") == OCI_MANIFEST


async def test_a_first_push_without_a_type_is_served_as_what_it_is(registry: Registry):
    one, index = await documents(registry)
    for tag, document, expected in (("image", one, OCI_MANIFEST), ("index", index, OCI_INDEX)):
        assert await put(registry, tag, document, "text/plain") == 201
        assert await type_of(registry, tag) == expected


async def test_a_type_is_served_in_the_case_that_the_document_has(registry: Registry):
    one, _ = await documents(registry)
    odd = "application/vnd.OCI.image.manifest.v1+json"
    assert await put(registry, "v1", {**one, "mediaType": odd}, OCI_MANIFEST) == 201
    assert await type_of(registry, "v1") == odd


class Variant(NamedTuple):
    """
    A manifest with some fields changed (to None: null) or left out.

    *reference* is what CNCF Distribution 3.1.2 answered to the same requests; *ours* differs where
    *why* says so.
    """

    of: str
    fields: dict[str, object]
    without: tuple[str, ...]
    reference: int
    ours: int
    why: str = ""


FORBIDDEN = "image-spec: the field is REQUIRED"
VARIANTS = [
    Variant("image", {"layers": None}, (), 201, 201),
    Variant("image", {}, ("layers",), 201, 201),
    Variant("image", {"layers": []}, (), 201, 201),
    Variant("image", {"annotations": None}, (), 201, 201),
    Variant("image", {"subject": None, "artifactType": None}, (), 201, 201),
    Variant("image", {"manifests": None}, (), 201, 201),
    Variant("image", {"mediaType": None}, (), 201, 201),
    Variant("image", {"mediaType": ""}, (), 201, 201),
    Variant("image", {"config": None}, (), 400, 400),
    Variant("image", {}, ("config",), 400, 400),
    Variant("image", {"schemaVersion": None}, (), 500, 400, "it is the client's mistake"),
    Variant("image", {"manifests": []}, (), 400, 400),
    Variant("image", {"layers": {}}, (), 400, 400),
    Variant("docker", {"layers": None}, (), 201, 201),
    Variant("docker", {}, ("layers",), 201, 201),
    Variant("docker", {"mediaType": None}, (), 400, 400),
    Variant("index", {"manifests": None}, (), 201, 201),
    Variant("index", {"manifests": []}, (), 201, 201),
    Variant("index", {"mediaType": OCI_INDEX}, ("manifests",), 201, 201),
    Variant("index", {}, ("manifests",), 201, 400, "it would be served as an image manifest"),
    Variant("index", {"config": None, "layers": None}, (), 201, 201),
    Variant("index", {"annotations": None, "subject": None}, (), 201, 201),
    Variant("index", {"layers": []}, (), 400, 400),
    Variant("layer", {"mediaType": None}, (), 201, 201),
    Variant("layer", {"urls": None, "annotations": None, "data": None}, (), 201, 201),
    Variant("layer", {"platform": None, "artifactType": None}, (), 201, 201),
    Variant("layer", {"platform": {"os": None, "architecture": None}}, (), 201, 201),
    Variant("layer", {"size": None}, (), 201, 400, FORBIDDEN),
    Variant("layer", {}, ("size",), 201, 400, FORBIDDEN),
    Variant("layer", {"digest": None}, (), 400, 400),
    Variant("child", {"platform": None, "annotations": None}, (), 201, 201),
    Variant("child", {"mediaType": None}, (), 201, 201),
    Variant("child", {"size": None}, (), 201, 400, FORBIDDEN),
]


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: f"{v.of}-{v.fields}-{v.without}")
async def test_null_and_absent_fields_are_taken_as_the_reference_registry_does(
    registry: Registry, variant: Variant
):
    one, index = await documents(registry)
    document, content_type = {
        "image": (one, OCI_MANIFEST),
        "docker": ({**one, "mediaType": DOCKER_MANIFEST}, DOCKER_MANIFEST),
        "index": (index, OCI_INDEX),
        "layer": (one, OCI_MANIFEST),
        "child": (index, OCI_INDEX),
    }[variant.of]
    inner = {"layer": "layers", "child": "manifests"}.get(variant.of)
    changed = document if inner is None else document[inner][0]
    changed |= variant.fields
    for name in variant.without:
        del changed[name]
    assert await put(registry, "v1", document, content_type) == variant.ours
    assert (variant.ours == variant.reference) != bool(variant.why)
    if variant.ours == 201:
        assert await type_of(registry, "v1") == content_type


@pytest.mark.parametrize(
    ("media_type", "saved"),
    [
        (OCI_MANIFEST, False),
        (DOCKER_LIST, False),
        ("application/vnd.acme+json", False),
        ("text/html", True),
        ("Text/HTML", True),
        ("image/svg+xml", True),
        ("application/xhtml+xml", True),
        ("text/javascript", True),
        ("text/html+jsonx", True),
    ],
)
async def test_a_browser_shows_no_manifest_as_a_page(
    registry: Registry, media_type: str, saved: bool
):
    """Broken: a manifest that says that it is HTML runs in the origin of the pages, with the
    session of who opens it."""
    one, index = await documents(registry)
    document = index if media_type == DOCKER_LIST else one
    document = changed(document, mediaType=media_type, schemaVersion=2)
    document["annotations"] = {"x": "<script>alert(1)</script>"}
    assert await put(registry, "x", document, media_type) == 201
    for _ in range(2):  # the second one is remembered
        answer = await registry.call("GET", f"/v2/{REPO}/manifests/x")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert (answer.headers.get("Content-Disposition") == "attachment") is saved


async def test_a_browser_shows_no_blob_as_a_page(registry: Registry):
    digest = await registry.push_blob(REPO, b"<script>alert(1)</script>")
    answer = await registry.call("GET", f"/v2/{REPO}/blobs/{digest}")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Type"] == "application/octet-stream"
