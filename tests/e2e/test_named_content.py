"""What an index names is there as long as the index, through whichever node it is deleted."""

import json
import random
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError

import pytest

from tests.e2e.oci_layout import INDEX_TYPE, MANIFEST_TYPE, Descriptor, canonical_json, describe
from tests.e2e.registry_client import RegistryClient, make_image, registry_clients
from tests.e2e.serve_cluster import ServeCluster

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

REPO = "named/app"


@pytest.fixture
def region(tmp_path: Path) -> Iterator[ServeCluster]:
    """Three nodes of one region: each reads what another one has acknowledged."""
    with ServeCluster(directory=tmp_path, regions=("eu",)) as running:
        yield running


def ask(host: str, path: str, method: str = "GET", body: bytes | None = None) -> tuple[int, bytes]:
    request = urllib.request.Request(f"http://{host}/v2/{REPO}/{path}", body, method=method)
    if body is not None:
        request.add_header("Content-Type", INDEX_TYPE)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read()
    except HTTPError as refused:
        return refused.code, refused.read()


async def push_images(client: RegistryClient, rng: random.Random) -> list[Descriptor]:
    images = [make_image(rng, [1000]) for _ in range(2)]
    for number, image in enumerate(images):
        await client.push(REPO, f"v{number}", image)
    return [describe(MANIFEST_TYPE, image.manifest) for image in images]


async def test_a_child_is_read_through_every_node_until_its_last_index_is_deleted(
    region: ServeCluster, rng: random.Random
) -> None:
    """If this fails, deleting one platform breaks an image for who pulls it elsewhere."""
    one, two, three = hosts = [node.http for node in region.nodes]
    async with registry_clients(hosts) as clients:
        child, other = await push_images(clients[0], rng)
    bodies = [
        canonical_json(
            {
                "schemaVersion": 2,
                "mediaType": INDEX_TYPE,
                "manifests": [each.as_json() for each in children],
            }
        )
        for children in ([child], [child, other])
    ]
    indexes = [describe(INDEX_TYPE, body) for body in bodies]
    assert ask(one, "manifests/first", "PUT", bodies[0])[0] == 201
    assert ask(two, f"manifests/{child.digest}", "DELETE")[0] == 202
    # Another index may name what is deleted, through whichever node.
    assert ask(three, "manifests/second", "PUT", bodies[1])[0] == 201
    for host, index in ((two, indexes[0]), (one, indexes[1])):
        for each in hosts:
            status, body = ask(each, f"manifests/{child.digest}")
            assert (status, describe(MANIFEST_TYPE, body).digest) == (200, child.digest)
            config = json.loads(body)["config"]["digest"]
            assert ask(each, f"blobs/{config}")[0] == 200
            assert "v0" not in json.loads(ask(each, "tags/list")[1])["tags"]
        assert ask(host, f"manifests/{index.digest}", "DELETE")[0] == 202
    for each in hosts:
        assert ask(each, f"manifests/{child.digest}")[0] == 404
        assert ask(each, f"manifests/{other.digest}")[0] == 200
    for node in region.nodes:
        node.stop()
        node.fsck()
