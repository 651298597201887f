"""The offline check: silent on what is in order, loud on each kind of damage."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from cluster import vectors
from cluster.clock import HybridClock
from cluster.model import Digest, Dot, NodeId, Origin
from cluster.objects.events import decode_event, encode_event
from cluster.objects.merge import Register, Version
from node.cli.node.fsck import CLEAN, DAMAGED, UNUSABLE, fsck
from node.disk.datadir import locked, shared
from node.errors.startup import StartupError
from node.fsck.check import CheckProgress, check_data_dir
from node.fsck.report import Report
from node.index import keys, rows
from node.index.index import index_path
from node.index.journal import RESTORING, Journal, forget_log
from node.index.migrations import FORMATS
from node.index.rocks import RocksStore
from node.index.store import Change, Mutation, RangeDeletion
from tests.api.conftest import Registry, StartRegistry, image
from tests.builders import HandClock, descriptor
from tests.fakes.rot import blob_file, flip

SILENT = CheckProgress(lambda count: None, lambda count: None, lambda count: None)
LAYER = b"layer x"


def check(data_dir: Path) -> Report:
    return check_data_dir(data_dir, SILENT)


async def fill(registry: Registry) -> Digest:
    digest = await registry.push_image("lib/app", "v1", "v2")
    config = await registry.push_blob("lib/app", b"{}")
    body = image((config, 2), subject=descriptor(digest, 1, "a/b"))
    assert (await registry.put_manifest("lib/app", "signature", body)).status == 201
    await registry.push_image("lib/gone", "v1", text="gone")
    assert (await registry.call("DELETE", "/v2/lib/gone/manifests/v1")).status == 202
    location = await registry.start_upload("lib/app")
    await registry.call("PATCH", location, data=b"half of it")
    return digest


@pytest.fixture
async def data_dir(start_registry: StartRegistry) -> Path:
    """A stopped node's data directory with a bit of everything in it."""
    registry = await start_registry()
    await fill(registry)
    await registry.stop()
    with locked(registry.data_dir):  # as a node does
        return registry.data_dir


async def test_what_is_in_order_has_no_problems(data_dir: Path):
    report = check(data_dir)
    assert report.problems == []
    assert report.checked == {
        "manifests": 3,
        "tags": 3,
        "tag writes": 5,
        "blob links": 5,
        "blob files": 5,
    }
    assert not report.notes
    assert fsck(data_dir) == CLEAN


async def test_programs_are_told_as_json(data_dir: Path, capsys: pytest.CaptureFixture[str]):
    assert fsck(data_dir, as_json=True) == CLEAN
    told = json.loads(capsys.readouterr().out)
    assert (told["problems"], told["problem_count"], told["checked"]["tags"]) == ([], 0, 3)


async def test_the_check_counts_what_it_reads(data_dir: Path):
    rows, expected, read = [0], [0], [0]

    def add(counter: list[int]) -> Callable[[int], None]:
        def count(number: int) -> None:
            counter[0] += number

        return count

    check_data_dir(data_dir, CheckProgress(add(rows), add(expected), add(read)))
    assert expected == read == [sum(path.stat().st_size for path in blob_files(data_dir))]
    assert rows[0] > 20


def blob_files(data_dir: Path) -> list[Path]:
    return [path for path in (data_dir / "blobs").rglob("*") if path.is_file()]


def layer_file(data_dir: Path) -> Path:
    [path] = (data_dir / "blobs").rglob(Digest.of(LAYER).encoded)
    return path


def rewrite(data_dir: Path, *changes: Change) -> None:
    store = RocksStore(index_path(data_dir))
    store.write(changes)
    store.sync()
    store.close()


def first_row(data_dir: Path, family: str) -> tuple[bytes, bytes]:
    store = RocksStore(index_path(data_dir), read_only=True)
    row = next(iter(store.scan(family, b"", b"\xff")))
    store.close()
    return row


def flip_a_byte(data_dir: Path) -> None:
    layer_file(data_dir).write_bytes(LAYER[:-1] + b"?")


def cut_a_blob(data_dir: Path) -> None:
    layer_file(data_dir).write_bytes(LAYER[:-1])


def lose_a_blob(data_dir: Path) -> None:
    layer_file(data_dir).unlink()


def misplace_a_blob(data_dir: Path) -> None:
    path = layer_file(data_dir)
    path.rename(path.parent.parent / "00" / path.name)


def leave_a_stray_file(data_dir: Path) -> None:
    (data_dir / "blobs" / "sha256" / "00" / "stray").write_bytes(b"")


def lose_a_row(family: str) -> Callable[[Path], None]:
    def damage(data_dir: Path) -> None:
        key, _ = first_row(data_dir, family)
        rewrite(data_dir, Mutation(family, key, None))

    return damage


def garble_a_row(family: str) -> Callable[[Path], None]:
    def damage(data_dir: Path) -> None:
        key, value = first_row(data_dir, family)
        rewrite(data_dir, Mutation(family, key, b"\xc1" + value[1:]))

    return damage


def cut_a_change(number: int) -> Callable[[Path], None]:
    """Have the event *number* of the log say that its change goes on for five more."""

    def damage(data_dir: Path) -> None:
        store = RocksStore(index_path(data_dir), read_only=True)
        key, value = list(store.scan("log", b"", b"\xff"))[number]
        store.close()
        event = msgspec.structs.replace(decode_event(value), rest=5)
        rewrite(data_dir, Mutation("log", key, encode_event(event)))

    return damage


def add_a_row(family: str, key: bytes, value: bytes = b"") -> Callable[[Path], None]:
    return lambda data_dir: rewrite(data_dir, Mutation(family, key, value))


def keep_what_is_there(data_dir: Path) -> None:
    rewrite(data_dir, Mutation("kept_bytes", *first_row(data_dir, "manifest_bytes")))


def name_more(data_dir: Path) -> None:
    """A row by which a manifest names what it does not name."""
    repository, digest = keys.split(first_row(data_dir, "manifest_bytes")[0])
    name = keys.join(Digest.of(b"x"), repository, "blob", digest)
    rewrite(data_dir, Mutation("named", name, keys.u64(1)))


GHOST = keys.join("lib/app", Digest.of(b"ghost"))


NAMED_BY_NOBODY = keys.join(Digest.of(b"x"), "lib/app", "blob", Digest.of(b"ghost"))


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (flip_a_byte, "does not hash"),
        (cut_a_blob, "bytes in its file"),
        (lose_a_blob, "has no file"),
        (misplace_a_blob, "is no blob's file"),
        (leave_a_stray_file, "is no blob's file"),
        (lose_a_row("manifest_bytes"), "has no bytes"),
        (garble_a_row("manifest_bytes"), "does not hash"),
        (lose_a_row("manifests"), "belong to no manifest"),
        (garble_a_row("manifests"), "does not decode"),
        (lose_a_row("blobs"), "which is not there"),
        (garble_a_row("tags"), "does not decode"),
        (lose_a_row("tagged"), "does not agree"),
        (lose_a_row("referrers"), "does not agree"),
        (lose_a_row("repositories"), "does not agree"),
        (lose_a_row("linked"), "does not agree"),
        (add_a_row("tagged", GHOST + b"v9\0"), "does not agree"),
        (add_a_row("manifest_bytes", GHOST, b"{}"), "belong to no manifest"),
        (lose_a_row("holders"), "has no holder"),
        (lose_a_row("own"), "does not agree"),
        (add_a_row("own", keys.join(f"sha256:{'0' * 64}")), "does not agree"),
        (lose_a_row("log"), "follows a gap"),
        (cut_a_change(-1), "ends in the middle of a change"),
        (cut_a_change(0), "cuts the change"),
        (garble_a_row("log"), "does not decode"),
        (lose_a_row("vector"), "marked as applied"),
        (add_a_row("meta", keys.join("totals"), b"\x91\x09"), "say"),
        (garble_a_row("uploads"), "does not decode"),
        (lose_a_row("named"), "does not agree"),
        (add_a_row("named", NAMED_BY_NOBODY, keys.u64(1)), "does not agree"),
        (add_a_row("kept_named", NAMED_BY_NOBODY, keys.u64(1)), "does not agree"),
        (name_more, "rows more than manifests name"),
        (keep_what_is_there, "of a manifest that is not deleted"),
        (add_a_row("kept_bytes", GHOST, b"{}"), "are kept for nobody"),
        (add_a_row("kept_bytes", GHOST, b"{}"), "do not hash to their digest"),
        (lose_a_row("history"), "has no history"),
        (garble_a_row("history"), "does not decode"),
        (lose_a_row("histories"), "has other totals"),
        (lose_a_row("tags"), "does not agree with the heads"),
        (add_a_row("histories", keys.join("lib/app", "ghost")), "has no history"),
        (add_a_row("conflicts", keys.join("lib/app", "v1")), "does not agree"),
        (add_a_row("settings", keys.join("project", "lib"), b"\xc1"), "does not decode"),
    ],
)
async def test_damage_is_found(data_dir: Path, damage: Callable[[Path], None], told: str):
    damage(data_dir)
    report = check(data_dir)
    assert any(told in problem.what for problem in report.problems), report.problems
    assert fsck(data_dir) == DAMAGED


async def test_an_orphaned_file_is_a_note(data_dir: Path):
    """A crash between the rename and the index leaves one; nothing can see it."""
    digest = Digest.of(b"orphan")
    path = data_dir / "blobs" / "sha256" / digest.encoded[:2] / digest.encoded
    path.write_bytes(b"orphan")
    report = check(data_dir)
    assert report.problems == []
    assert report.notes == {"blob files that no row names": 1}


async def test_content_that_was_deleted_on_purpose_is_a_note(start_registry: StartRegistry):
    registry = await start_registry()
    await fill(registry)
    path = f"/v2/lib/app/blobs/{Digest.of(LAYER)}"
    assert (await registry.call("DELETE", path)).status == 202
    await registry.stop()
    report = check(registry.data_dir)
    assert report.problems == []
    assert report.notes == {"manifests that name deleted content": 1}


async def test_staging_files_without_an_upload_are_a_note(data_dir: Path):
    (data_dir / "staging" / "left-over").write_bytes(b"x")
    for upload in (data_dir / "staging").iterdir():
        if upload.name != "left-over":
            upload.write_bytes(b"")
    report = check(data_dir)
    assert report.problems == []
    assert report.notes == {
        "unfinished files, removed at the next start": 1,
        "uploads that lost bytes, and will be refused": 1,
    }


async def test_unusable_directories_are_refused(data_dir: Path, tmp_path: Path):
    assert fsck(tmp_path / "nowhere") == UNUSABLE
    assert fsck(Path("/dev/null")) == UNUSABLE
    (tmp_path / "empty").mkdir()
    assert fsck(tmp_path / "empty") == UNUSABLE
    with locked(data_dir):
        assert fsck(data_dir) == UNUSABLE
    rewrite(data_dir, Mutation("meta", keys.join("format"), keys.u64(FORMATS.current + 1)))
    assert fsck(data_dir) == UNUSABLE
    shutil.rmtree(index_path(data_dir))
    assert fsck(data_dir) == DAMAGED, "an index that is gone is not an empty one"


async def test_a_trimmed_log_is_in_order(data_dir: Path):
    """A node would be taken for damaged from its first trim on."""
    store = RocksStore(index_path(data_dir))
    ((origin, end),) = ((keys.read_origin(k), v) for k, v in store.scan("vector", b"", b"\xff"))
    store.close()
    rewrite(data_dir, *forget_log(origin, keys.read_u64(end) - 2))
    assert check(data_dir).problems == []


async def test_a_retired_log_is_in_order_and_comes_back_nowhere(data_dir: Path):
    """A node would be taken for damaged from its first restart on."""
    store = RocksStore(index_path(data_dir))
    ((key, end),) = store.scan("vector", b"", b"\xff")
    origin = keys.read_origin(key)
    journal = Journal(store, Origin(origin.node, origin.epoch + 1), HybridClock(HandClock()))
    journal.trim({origin: keys.read_u64(end)})
    journal.retire({NodeId(origin.node): origin.epoch})
    store.sync()
    store.close()
    assert check(data_dir).problems == []
    assert first_row(data_dir, "vector")[0] == keys.origin(vectors.mark_of(origin.node))
    rewrite(data_dir, Mutation("vector", key, end))
    [problem, _] = check(data_dir).problems
    assert problem.where == f"log of {origin.node}/{origin.epoch}"


async def test_sums_that_do_not_fit_the_rows_are_told(data_dir: Path):
    """Two nodes would differ, and nobody would know which one is wrong."""
    rewrite(data_dir, RangeDeletion("merkle", b"\0", b"\x80"))
    assert [problem.where for problem in check(data_dir).problems] == ["sums"]


@pytest.mark.parametrize("family", ["settings", "histories", "conflicts"])
async def test_the_sums_are_of_registers_too(data_dir: Path, family: str):
    """Well-formed rows, derived from nothing, that no other node has."""
    row = (
        rows.encode(Register((Version(Dot("x", 1, 1), 1, "{}"),))) if family == "settings" else b""
    )
    rewrite(data_dir, Mutation(family, keys.join("project", "lib"), row))
    assert "sums" in [problem.where for problem in check(data_dir).problems]


@pytest.mark.parametrize("step", [-1, 1])
async def test_a_directory_of_another_format_is_not_checked(data_dir: Path, step: int):
    """Broken: rows that are right by another version are told as damage."""
    rewrite(data_dir, Mutation("meta", keys.join("format"), keys.u64(FORMATS.current + step)))
    assert fsck(data_dir) == UNUSABLE


async def test_a_half_taken_checkpoint_is_told_as_such(data_dir: Path):
    """Every row that is missing by design would be a problem of its own."""
    rewrite(data_dir, Mutation("meta", RESTORING, b""), RangeDeletion("manifests", b"", b"\xff"))
    assert [problem.where for problem in check(data_dir).problems] == ["index"]


def state(directory: Path) -> dict[Path, int]:
    """Every file and directory, and when it was last changed."""
    return {path: path.lstat().st_mtime_ns for path in (directory, *directory.rglob("*"))}


async def test_a_check_writes_nothing(data_dir: Path):
    """Broken: evidence is changed by looking at it, and a read-only disk cannot be checked."""
    before = state(data_dir)
    assert fsck(data_dir) == CLEAN
    assert state(data_dir) == before


async def test_a_copy_without_a_lock_file_is_checked_with_a_warning(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
):
    assert fsck(data_dir) == CLEAN
    assert "lock file" not in capsys.readouterr().err
    (data_dir / "LOCK").unlink(missing_ok=True)
    assert fsck(data_dir) == CLEAN
    assert "no lock file" in capsys.readouterr().err


async def test_a_node_does_not_start_during_a_check(data_dir: Path):
    with shared(data_dir) as held, shared(data_dir) as held_too:
        assert held
        assert held_too, "two checks do not disturb each other"
        with pytest.raises(StartupError, match="in use"), locked(data_dir):
            pytest.fail("a node would change what is being checked")


@pytest.mark.parametrize("again", [True, False])
async def test_copies_that_were_set_aside_are_named(start_registry: StartRegistry, again: bool):
    """Broken: nobody learns that a disk rots, or that the bytes are still there to look at."""
    registry = await start_registry()
    digest = await registry.push_blob("lib/app", LAYER)
    flip(blob_file(registry.data_dir, digest))
    assert (await registry.call("GET", f"/v2/lib/app/blobs/{digest}")).status == 503
    await registry.index.replica.release(digest)  # as `node.copies.mender` does
    if again:
        await registry.push_blob("lib/app", LAYER)
    await registry.stop()
    (registry.data_dir / "quarantine" / "notes.txt").write_text("looked at by hand")
    report = check(registry.data_dir)
    assert [problem.what for problem in report.problems] == ([] if again else ["has no holder"])
    here = "another copy is here" if again else "no other copy is here"
    notes = sorted(report.notes)
    assert any(note.startswith(f"damaged copy set aside, {here}: quarantine/") for note in notes)
    assert any(digest.encoded in note for note in notes)
    assert "file that is no copy of a blob: quarantine/notes.txt" in notes
