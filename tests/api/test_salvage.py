"""What only an index has that was left behind is told, and pushed again where that is safe."""

import json
import shutil
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from cluster.model import Digest, Dot, NodeId, Region, Spread, SpreadNode
from tests.api.commands import Done, atoll
from tests.api.conftest import Registry, StartRegistry

STORED = ("blobs", "index", "index.mark")


class Parted(NamedTuple):
    """A registry that went on without an index, and that index."""

    registry: Registry
    former: Path
    old: Digest
    """What `lib/app:moved` and others were when both were one."""
    tail: Digest
    """What they became in the former index."""

    async def salvage(self, *options: str) -> Done:
        return await atoll("salvage", str(self.former), *options)

    async def asked(self, *options: str) -> tuple[int, dict[str, tuple[str, str]]]:
        """The exit status, and of each tag and each other kind how it stands."""
        url = f"127.0.0.1:{self.registry.port}"
        done = await self.salvage("--url", url, "--json", *options)
        assert done.exit_code in (0, 1), done
        document = json.loads(done.output)
        return done.exit_code, {
            f"{each['kind']} {each['repository']} {each['name']}": (each["state"], each["note"])
            for each in document["changes"]
        }


def honest(registry: Registry) -> None:
    """Have the registry say which events it has, as one of a cluster."""

    async def wait_for(dot: Dot, regions: Sequence[Region] | None, timeout_s: float) -> Spread:
        has = registry.index.journal.durable.get(dot.origin, 0) >= dot.seq
        return Spread((SpreadNode(NodeId("solo"), Region("local"), True, has),))

    registry.view.wait_for = wait_for  # type: ignore[method-assign]


@pytest.fixture
async def part(start_registry: StartRegistry, tmp_path: Path):
    """A registry that was parted from its index; *alone* is done there, *later* to what goes on."""

    async def parting(
        alone: Callable[[Registry], Awaitable[Any]] | None = None,
        later: Callable[[Registry], Awaitable[Any]] | None = None,
    ) -> Parted:
        registry = await start_registry()
        tags = ("moved", "same", "kept", "dropped", "deleted")
        old = await registry.push_image("lib/app", *tags, text="old")
        await registry.stop()
        at_parting, left = tmp_path / "at-parting", tmp_path / "left"
        at_parting.mkdir()
        left.mkdir()
        for name in STORED:
            _copy(tmp_path / name, at_parting / name)

        registry = await start_registry()
        tail = await registry.push_image("lib/app", "moved", "same", text="tail")
        if alone is not None:
            await alone(registry)
        await registry.stop()
        former = left / "index.former-20261129T170000.000000Z"
        (tmp_path / "index").rename(former)
        (tmp_path / "blobs").rename(left / "blobs")
        for name in STORED:
            _copy(at_parting / name, tmp_path / name)

        registry = await start_registry()
        honest(registry)
        if later is not None:
            await later(registry)
        return Parted(registry, former, old, tail)

    return parting


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copyfile(source, target)


Part = Callable[..., Awaitable[Parted]]


async def test_what_the_cluster_lacks_is_told_and_pushed_again(part: Part):
    """Broken: an image that was acknowledged is only in a directory that somebody will delete."""
    parted = await part()
    status, found = await parted.asked()
    assert status == 1
    assert found["tag lib/app moved"] == found["tag lib/app same"] == ("lacking", "")
    assert found[f"manifest lib/app {parted.tail}"] == ("lacking", "")
    assert {state for state, _ in found.values()} == {"lacking"}
    assert not [name for name in found if "kept" in name], "the cluster has what it has"
    assert parted.registry.index.metadata.tag("lib/app", "moved") == parted.old, "told, not pushed"

    status, found = await parted.asked("--push")
    assert status == 0
    assert {state for state, _ in found.values()} == {"pushed"}
    for tag in ("moved", "same"):
        assert parted.registry.index.metadata.tag("lib/app", tag) == parted.tail
    layer = Digest.of(b"layer tail")
    pulled = await parted.registry.call("GET", f"/v2/lib/app/blobs/{layer}")
    assert pulled.body == b"layer tail"
    status, found = await parted.asked("--push")
    assert (status, {state for state, _ in found.values()}) == (0, {"present"})


async def test_a_tag_that_moved_on_stays(part: Part):
    """Broken: a salvage takes a release back that was made after the disk was lost."""

    async def later(registry: Registry) -> None:
        await registry.push_image("lib/app", "moved", text="new")
        await registry.push_image("lib/app", "same", text="tail")

    parted = await part(later=later)
    new = parted.registry.index.metadata.tag("lib/app", "moved")
    status, found = await parted.asked("--push")
    assert status == 1
    assert found["tag lib/app moved"] == ("conflict", f"it is {new}")
    assert found["tag lib/app same"] == ("present", ""), "its client pushed it again"
    assert parted.registry.index.metadata.tag("lib/app", "moved") == new

    status, found = await parted.asked("--push", "--tag-suffix", "-salvaged")
    assert (status, found["tag lib/app moved"]) == (0, ("pushed", "as moved-salvaged"))
    assert parted.registry.index.metadata.tag("lib/app", "moved") == new
    assert parted.registry.index.metadata.tag("lib/app", "moved-salvaged") == parted.tail
    status, found = await parted.asked("--push", "--tag-suffix", "-salvaged")
    assert (status, found["tag lib/app moved"]) == (0, ("present", "as moved-salvaged"))
    status, found = await parted.asked("--push", "--tag-suffix", "/../")
    assert (status, found["tag lib/app moved"][0]) == (1, "conflict"), "no name of a tag"


@pytest.mark.parametrize("reference", ["moved", "manifest"])
async def test_a_tag_that_was_deleted_since_stays_deleted(part: Part, reference: str):
    """Broken: what somebody took away on purpose is served again."""

    async def later(registry: Registry) -> None:
        old = registry.index.metadata.tag("lib/app", "moved")
        named = old if reference == "manifest" else reference
        assert (await registry.call("DELETE", f"/v2/lib/app/manifests/{named}")).status == 202

    parted = await part(later=later)
    status, found = await parted.asked("--push")
    assert (status, found["tag lib/app moved"]) == (1, ("conflict", "it is deleted"))
    assert parted.registry.index.metadata.tag("lib/app", "moved") is None


async def test_only_the_last_change_of_an_object_is_done_again(part: Part):
    """Broken: a tag passes through what it was for a moment, or a deletion comes too late."""

    async def alone(registry: Registry) -> None:
        await registry.push_image("lib/app", "moved", text="last")
        await registry.call("DELETE", "/v2/lib/app/manifests/deleted")
        await registry.push_image("lib/app", "dropped", text="dropped")
        await registry.call("DELETE", "/v2/lib/app/manifests/dropped")
        await registry.call("PUT", "/atoll/v1/projects/lib", json={"history_max": 7})

    parted = await part(alone)
    done = await parted.salvage("--url", f"127.0.0.1:{parted.registry.port}", "--json", "--push")
    assert done.exit_code == 1
    changes = json.loads(done.output)["changes"]
    told = [(each["kind"], each["state"]) for each in changes if each["name"] == "moved"]
    assert told == [("tag", "replaced"), ("tag", "pushed")]
    last = parted.registry.index.metadata.tag("lib/app", "moved")
    assert last == [each["digest"] for each in changes if each["name"] == "moved"][-1]
    by_hand = {each["kind"]: each["name"] for each in changes if each["state"] == "by hand"}
    assert by_hand["setting"] == "lib"
    assert by_hand["tag deleted"] in ("deleted", "dropped")
    assert parted.registry.index.metadata.tag("lib/app", "deleted") == parted.old
    assert json.loads(done.output)["left"] == sum(
        each["state"] in ("by hand", "lacking") for each in changes
    )


async def test_a_blob_that_is_nowhere_is_said(part: Part):
    """Broken: half an image is pushed, or the command ends with a traceback."""
    parted = await part()
    layer = Digest.of(b"layer tail")
    (file,) = parted.former.parent.glob(f"blobs/sha256/*/{layer.encoded}")
    file.unlink()
    status, found = await parted.asked("--push")
    assert status == 1
    gone = ("refused", f"blob {layer} is not on this disk")
    assert found[f"blob lib/app {layer}"] == found["tag lib/app moved"] == gone
    assert parted.registry.index.metadata.tag("lib/app", "moved") == parted.old


async def test_without_a_node_all_is_told_that_not_every_member_had(part: Part):
    """Broken: offline it says that there is nothing, and the directory is deleted."""
    parted = await part()
    done = await parted.salvage()
    assert done.exit_code == 1
    lines = done.output.splitlines()
    assert any("lib/app:kept" in line and "not asked" in line for line in lines)
    assert any("lib/app:moved" in line and str(parted.tail) in line for line in lines)
    assert "give --url" in lines[-1]
    by_directory = await atoll("salvage", str(parted.former.parent))
    assert by_directory.output == done.output


async def test_what_cannot_be_told_is_status_2(part: Part, tmp_path: Path):
    """Broken: a script takes a directory without an index for one with nothing in it."""
    parted = await part()
    for arguments, message in (
        ((str(tmp_path / "at-parting"),), "no index of it was left behind"),
        ((str(tmp_path / "index.former-x"),), "is not an index"),
        ((str(parted.former), "--url", "127.0.0.1:1"), "cannot reach"),
        ((str(parted.former), "--push"), "--url"),
        ((str(parted.former), "--url", "127.0.0.1:1", "--tag-suffix", "x"), "--push"),
    ):
        done = await atoll("salvage", *arguments)
        assert done.exit_code == 2, done
        assert message in done.told
