"""Images by the admin API: what they are made of, what is attached to them, where they are."""

import json
from dataclasses import replace
from typing import Any

import pytest

from cluster.errors import NotDecided
from cluster.model import Digest, Dot, Key, NodeId, Region, SpreadNode
from cluster.objects import Hold
from node.desk.config import CONFIG_BYTES_MAX
from node.registry.media_types import OCI_INDEX
from tests.api.commands import atoll
from tests.api.conftest import Registry
from tests.api.test_layout_api import known, settle
from tests.builders import an_event, an_image, an_index, descriptor, encoded

REPO = "lib/app"
IMAGES = f"/atoll/v1/repositories/{REPO}/images"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
STATEMENT = "application/vnd.in-toto+json"


def a_config(*commands: str | None, **fields: object) -> bytes:
    """A config whose history has these commands; None: a step without a layer."""
    history = [
        {"created_by": f"STEP {number}", "empty_layer": True}
        if command is None
        else {"created_by": command}
        for number, command in enumerate(commands)
    ]
    return json.dumps(
        {"os": "linux", "architecture": "amd64", "history": history, **fields}
    ).encode()


async def push(
    registry: Registry, *references: str, config: bytes, layers: int = 1, **more: object
) -> tuple[Digest, int]:
    """Push an image with that config, and so many layers."""
    blobs = [f"{config!r} layer {number}".encode() for number in range(layers)]
    pushed = [(await registry.push_blob(REPO, blob), len(blob)) for blob in blobs]
    body = encoded(an_image((await registry.push_blob(REPO, config), len(config)), *pushed, **more))
    for reference in references or (Digest.of(body),):
        answer = await registry.put_manifest(REPO, reference, body)
        assert answer.status == 201, answer.body
    return Digest.of(body), len(body)


async def push_index(registry: Registry, reference: str, *listed: dict[str, object]) -> Digest:
    body = encoded(an_index(*listed))
    answer = await registry.put_manifest(REPO, reference, body, OCI_INDEX)
    assert answer.status == 201, answer.body
    return Digest.of(body)


async def ask(registry: Registry, reference: str, of: str = "") -> dict[str, Any]:
    answer = await registry.call("GET", f"{IMAGES}/{reference}{of}")
    assert answer.status == 200, answer.body
    assert answer.headers["Cache-Control"] == "no-store"
    found: dict[str, Any] = answer.json
    return found


async def test_an_image_shows_its_layers_with_what_made_them(registry: Registry):
    config = a_config("ADD a", None, "RUN b", config={"User": "1000"})
    digest, size = await push(registry, "v1", "v2", config=config, layers=2)
    found = await ask(registry, "v1")
    opened = found["opened"]
    assert (found["kind"], found["tag"], found["digest"]) == ("image", "v1", digest)
    assert (found["tags"], found["manifest_bytes"]) == (["v1", "v2"], size)
    assert found["event"] == str(registry.index.metadata.tagged(REPO, "v1").event)
    assert [each["command"]["text"] for each in opened["layers"]] == ["ADD a", "STEP 1", "RUN b"]
    assert [each["digest"] is None for each in opened["layers"]] == [False, True, False]
    assert (opened["state"], opened["is_joined"]) == ("read", True)
    assert (opened["layers_count"], opened["steps_count"]) == (2, 3)
    assert (opened["platform"], opened["config"]["user"]) == ("linux/amd64", "1000")
    assert found["bytes"] == opened["bytes"] > len(config)
    by_digest = await ask(registry, digest)
    assert (by_digest["tag"], by_digest["opened"]) == (None, opened)


async def test_steps_and_layers_that_do_not_fit_are_not_joined(registry: Registry):
    await push(registry, "v1", config=a_config("ADD a"), layers=2)
    opened = (await ask(registry, "v1"))["opened"]
    assert (opened["is_joined"], opened["layers_count"], opened["steps_count"]) == (False, 2, 1)
    assert [each["command"] for each in opened["layers"]] == [None, None]


@pytest.mark.parametrize(
    ("config", "state"),
    [
        (b"\xff not json", "unreadable"),
        (b"[]", "unreadable"),
        (b"{}", "read"),
        (b'{"history": 5, "config": [], "os": {}}', "read"),
        (b'"' + b"x" * CONFIG_BYTES_MAX + b'"', "too large"),
    ],
    ids=["no text", "a list", "empty", "wrong", "large"],
)
async def test_a_config_that_is_none_is_told(registry: Registry, config: bytes, state: str):
    """Broken: an image that nobody can run cannot be looked at either."""
    await push(registry, "v1", config=config)
    opened = (await ask(registry, "v1"))["opened"]
    assert (opened["state"], opened["layers_count"]) == (state, 1)


async def test_a_config_that_is_not_here_is_not_known_here(registry: Registry):
    config = a_config("ADD a")
    await push(registry, "v1", config=config)
    await registry.index.replica.release(Digest.of(config))
    opened = (await ask(registry, "v1"))["opened"]
    assert (opened["state"], opened["config"], opened["layers_count"]) == ("unknown", None, 1)


async def test_five_thousand_layers_are_counted_and_a_hundred_shown(registry: Registry):
    history = [{"created_by": "x" * 1000 if number == 3 else "RUN"} for number in range(5000)]
    config = json.dumps({"history": history}).encode()
    layer = (await registry.push_blob(REPO, b"layer"), 5)
    blob = (await registry.push_blob(REPO, config), len(config))
    body = encoded(an_image(blob, *[layer] * 5000))
    assert (await registry.put_manifest(REPO, "t" * 128, body)).status == 201
    found = await ask(registry, "t" * 128)
    opened = found["opened"]
    assert (len(opened["layers"]), opened["layers_count"], opened["steps_count"]) == (
        100,
        5000,
        5000,
    )
    assert (len(opened["layers"][3]["command"]["text"]), found["bytes"]) == (300, len(config) + 5)
    assert opened["layers"][3]["command"]["is_cut"]
    where = await ask(registry, "t" * 128, "/replication")
    assert (where["blobs"], where["bytes"]) == (2, len(config) + 5)


async def an_index_with_attestations(registry: Registry) -> tuple[Digest, Digest, Digest]:
    """Two platforms, and what BuildKit states of one of them."""
    amd = await push(registry, config=a_config("ADD amd"))
    arm = await push(registry, config=a_config("ADD arm", architecture="arm64"))
    statements = [b"sbom", b"provenance"]
    types = ["https://spdx.dev/Document", "https://slsa.dev/provenance/v1"]
    layers = [
        descriptor(
            await registry.push_blob(REPO, data),
            len(data),
            STATEMENT,
            annotations={"in-toto.io/predicate-type": type_},
        )
        for data, type_ in zip(statements, types, strict=True)
    ]
    config = await registry.push_blob(REPO, b"{}")
    body = encoded({**an_image((config, 2)), "layers": layers})
    assert (await registry.put_manifest(REPO, Digest.of(body), body)).status == 201
    about = {
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": amd[0],
    }
    unknown = {"os": "unknown", "architecture": "unknown"}
    digest = await push_index(
        registry,
        "v1",
        descriptor(*amd, platform={"os": "linux", "architecture": "amd64"}),
        descriptor(*arm, platform={"os": "linux", "architecture": "arm64", "variant": "v8"}),
        descriptor(Digest.of(body), len(body), platform=unknown, annotations=about),
    )
    return digest, amd[0], arm[0]


async def test_an_index_shows_its_platforms_and_no_attestations(registry: Registry):
    """Broken: what BuildKit attaches is shown as a platform `unknown/unknown`."""
    _, amd, arm = await an_index_with_attestations(registry)
    found = await ask(registry, "v1")
    assert (found["kind"], found["platforms_count"], found["is_partial"]) == ("index", 2, False)
    assert [(each["platform"], each["digest"]) for each in found["platforms"]] == [
        ("linux/amd64", amd),
        ("linux/arm64/v8", arm),
    ]
    assert found["opened"]["digest"] == amd
    other = await ask(registry, "v1", "?platform=linux/arm64/v8")
    assert other["opened"]["digest"] == arm
    assert other["opened"]["layers"][0]["command"]["text"] == "ADD arm"
    answer = await registry.call("GET", f"{IMAGES}/v1?platform=plan9/mips")
    assert (answer.status, answer.codes) == (404, ["MANIFEST_UNKNOWN"])


async def test_what_is_attached_is_joined(registry: Registry):
    digest, amd, _ = await an_index_with_attestations(registry)
    empty = (await registry.push_blob(REPO, b"{}"), 2)
    for subject, type_ in (
        (digest, "application/vnd.dev.cosign.artifact.sig.v1+json"),
        (amd, "application/sarif+json"),
        (amd, "application/vnd.example.thing"),
    ):
        await push(
            registry,
            config=b"{}",
            layers=0,
            artifactType=type_,
            subject=descriptor(subject, 1),
        )
    signature = encoded(an_image(empty, empty))
    tag = f"{amd.replace(':', '-')}.sig"
    assert (await registry.put_manifest(REPO, tag, signature)).status == 201
    found = await ask(registry, "v1", "/referrers")
    assert found["digest"] == digest
    assert sorted((each["kind"], each["by"], each["platform"]) for each in found["attached"]) == [
        ("other", "referrer", "linux/amd64"),
        ("provenance", "index", "linux/amd64"),
        ("sbom", "index", "linux/amd64"),
        ("scan", "referrer", "linux/amd64"),
        ("signature", "referrer", ""),
        ("signature", "tag", "linux/amd64"),
    ]
    assert all(each["pushed"] for each in found["attached"])
    assert not found["is_partial"]


async def test_tags_that_had_it_are_told(registry: Registry):
    digest, _ = await push(registry, "v1", "v2", config=a_config("ADD a"))
    await push(registry, "v1", config=a_config("ADD b"))
    found = await ask(registry, digest)
    assert (found["tags"], found["had"]) == (["v2"], ["v1"])


@pytest.mark.parametrize("of", ["", "/referrers", "/replication"])
async def test_what_is_not_there_is_unknown(registry: Registry, of: str):
    for reference, status in (("nope", 404), (Digest.of(b"nope"), 404), ("-", 400), ("a:b", 400)):
        answer = await registry.call("GET", f"{IMAGES}/{reference}{of}")
        assert answer.status == status
    assert (await registry.call("GET", f"/atoll/v1/repositories/no/images/v1{of}")).status == 404


# --- where it is ---------------------------------------------------------------------------------


async def held_by(registry: Registry, node: str, seq: int, blob: Digest, size: int) -> None:
    """A holder row of another node."""
    stamp = registry.index.journal.clock.tick(0)
    event = an_event(Dot(node, 1, seq), Key("holder", "", blob), Hold(held=True, size=size), stamp)
    await registry.index.replica.apply([event])


def three_regions(registry: Registry) -> None:
    settle(registry, "local: solo, us: u1 u2, ap: a1", copies=1, regions_min=2)
    registry.view.members = tuple(
        replace(known(node), region=Region(region), connected=True)
        for node, region in (("u1", "us"), ("u2", "us"), ("a1", "ap"))
    )
    registry.view.nodes = tuple(
        SpreadNode(NodeId(node), Region(region), True, True)
        for node, region in (("solo", "local"), ("u1", "us"), ("u2", "us"), ("a1", "ap"))
    )


def states(where: dict[str, Any]) -> dict[str, str]:
    return {each["region"]: each["state"] for each in where["regions"]}


async def test_where_an_image_is(registry: Registry):
    three_regions(registry)
    config = a_config("ADD a")
    await push(registry, "v1", config=config)
    layer = f"{config!r} layer 0".encode()
    where = await ask(registry, "v1", "/replication")
    [here] = (each for each in where["regions"] if each["region"] == "local")
    assert (here["state"], here["nodes"], here["copies"], here["share"]) == ("here", ["solo"], 1, 1)
    assert here["complete"]
    # Each blob has its own second region.
    assert "arriving" in (states(where)["us"], states(where)["ap"])
    await held_by(registry, "u1", 1, Digest.of(config), len(config))
    where = await ask(registry, "v1", "/replication")
    [us] = (each for each in where["regions"] if each["region"] == "us")
    assert us["state"] == "arriving"
    assert us["share"] == pytest.approx(len(config) / (len(config) + len(layer)), abs=0.001)
    await held_by(registry, "u2", 1, Digest.of(layer), len(layer))
    where = await ask(registry, "v1", "/replication")
    assert states(where) == {"ap": "on pull", "local": "here", "us": "here"}


async def test_who_has_not_heard_is_behind_and_who_does_not_answer_is_silent(registry: Registry):
    three_regions(registry)
    await push(registry, "v1", config=a_config("ADD a"))
    registry.view.nodes = tuple(
        node._replace(has=node.region == "local") for node in registry.view.nodes
    )
    where = await ask(registry, "v1", "/replication")
    assert states(where) == {"ap": "behind", "local": "here", "us": "behind"}
    assert all(each["behind_s"] >= 0 for each in where["regions"] if each["state"] == "behind")
    registry.view.members = tuple(replace(each, connected=False) for each in registry.view.members)
    where = await ask(registry, "v1", "/replication")
    assert states(where) == {"ap": "silent", "local": "here", "us": "silent"}


async def test_what_nobody_has_is_unreadable(registry: Registry):
    three_regions(registry)
    config = a_config("ADD a")
    await push(registry, "v1", config=config)
    await registry.index.replica.release(Digest.of(config))
    assert {*states(await ask(registry, "v1", "/replication")).values()} == {"unreadable"}


async def test_without_a_layout_it_is_where_it_is(registry: Registry):
    await push(registry, "v1", config=a_config("ADD a"))
    registry.layouts.absent = NotDecided("there is no layout yet")
    assert states(await ask(registry, "v1", "/replication")) == {"local": "here"}


# --- by the command ------------------------------------------------------------------------------


async def test_the_command_tells_it_all(registry: Registry):
    await an_index_with_attestations(registry)
    ref = f"127.0.0.1:{registry.port}/{REPO}:v1"
    done = await atoll("image", ref, "--platform", "linux/arm64/v8")
    assert done.exit_code == 0, done
    for told in ("linux/arm64/v8", "ADD arm", "provenance", "sbom", "local", "here"):
        assert told in done.output
    assert "unknown/unknown" not in done.output


async def test_an_image_cannot_write_on_the_terminal(registry: Registry):
    """Broken: who looks at an image has their terminal cleared, or reads a lie."""
    evil = "\x1b[2J\u202egpj.exe</script>"
    config = a_config(evil, config={"User": evil, "Labels": {evil: evil}}, created=evil)
    await push(registry, "v1", config=config, annotations={evil: evil})
    done = await atoll("image", f"127.0.0.1:{registry.port}/{REPO}:v1")
    assert done.exit_code == 0, done
    assert "\x1b" not in done.output
    assert "\u202e" not in done.output
    assert r"\x1b[2J\u202egpj.exe</script>" in done.output
