"""An index that is not whole is never taken for an empty one, by no command."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cluster.errors import StorageFailure
from node.cli.node.fsck import CLEAN, DAMAGED, UNUSABLE, fsck
from node.errors import IndexDamaged
from node.errors.startup import StartupError
from node.index.index import index_path
from node.index.rocks import RocksStore
from node.index.store import END, FAMILIES
from node.index.worded import WordedStore
from node.recovery.repair import ASIDE, Repair, find_damage, open_store
from tests.api.conftest import StartRegistry
from tests.api.test_fsck import check, fill
from tests.fakes.log import MemoryLog

Rows = dict[tuple[str, bytes], bytes]


@pytest.fixture
async def crashed(start_registry: StartRegistry, tmp_path: Path) -> Path:
    """
    The data directory of a node that was killed: rows in tables, in a closed log, and in an open
    one, all of them synced.
    """
    registry = await start_registry(node="node")
    await fill(registry)
    await registry.stop()
    registry = await start_registry(node="node")
    await registry.push_image("lib/app", "v3", text="third")
    worded = registry.index.journal.store
    assert isinstance(worded, WordedStore)
    store = worded.inner
    assert isinstance(store, RocksStore)
    store._families["meta"].flush()  # which begins another log
    await registry.push_image("lib/app", "v4", text="fourth")
    copy = tmp_path / "copy"
    shutil.copytree(registry.data_dir, copy)
    kinds = {path.suffix for path in index_path(copy).iterdir()}
    assert {".log", ".sst"} <= kinds
    assert len([log for log in index_path(copy).glob("*.log") if log.stat().st_size]) == 2
    return copy


def rows_of(store: RocksStore) -> Rows:
    return {
        (family, key): value for family in FAMILIES for key, value in store.scan(family, b"", END)
    }


def serve(data_dir: Path, repair: Repair | None = None) -> Rows:
    """What a node that starts there would serve."""
    store = open_store(data_dir, repair or Repair(), has_peers=False, log=MemoryLog())
    try:
        return rows_of(store)
    finally:
        store.close()


def gone(path: Path) -> None:
    path.unlink()


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def halved(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flipped(at: float) -> Callable[[Path], None]:
    def flip(path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[min(int(len(data) * at), len(data) - 1)] ^= 0x40
        path.write_bytes(data)

    return flip


HARMS = {
    "gone": gone,
    "emptied": emptied,
    "halved": halved,
    "cut": cut,
    **{f"flipped at {at}": flipped(at) for at in (0, 0.4, 0.9)},
}
NEEDED = ("CURRENT", "MANIFEST-*", "*.sst", "*.log")
SPARE = ("IDENTITY", "OPTIONS-*", "LOCK", "LOG")
MARK = "../index.mark"


def files(data_dir: Path, pattern: str) -> list[str]:
    index = index_path(data_dir)
    found = [index / pattern] if pattern == MARK else sorted(index.glob(pattern))
    return [str(path.relative_to(index)) for path in found if path.stat().st_size]


def harmed(data_dir: Path, name: str, harm: Callable[[Path], None], place: Path) -> Path:
    shutil.copytree(data_dir, place)
    harm(index_path(place) / name)
    return place


@pytest.mark.parametrize(
    ("pattern", "harm"),
    [
        *((pattern, harm) for pattern in (*NEEDED, MARK) for harm in HARMS),
        *((pattern, harm) for pattern in SPARE for harm in ("gone", "flipped at 0.4")),
    ],
)
async def test_damage_is_told_or_does_no_harm(
    crashed: Path, tmp_path: Path, pattern: str, harm: str
):
    """Broken: a node serves an index that lacks rows, as if nobody had ever pushed them."""
    whole = serve(harmed(crashed, "LOG", lambda path: None, tmp_path / "whole"))
    assert len(whole) > 50
    for number, name in enumerate(files(crashed, pattern)):
        served = harmed(crashed, name, HARMS[harm], tmp_path / f"served{number}")
        told = False
        try:
            assert serve(served) == whole, name
        except (StartupError, IndexDamaged):  # at the start, or at a read
            told = True
        if told:
            # Not only the first time, when RocksDB may have tidied up.
            with pytest.raises(StartupError, match="--rebuild-index"):
                serve(served)
        checked = harmed(crashed, name, HARMS[harm], tmp_path / f"checked{number}")
        assert fsck(checked) == (DAMAGED if told else CLEAN), name
        if told:
            told_so = [problem for problem in check(checked).problems if problem.where == "index"]
            assert ["--rebuild-index" in problem.what for problem in told_so] == [True]
        if pattern in NEEDED and harm in ("gone", "emptied", "halved"):
            assert told, name


@pytest.mark.parametrize(
    "lost",
    [
        ("CURRENT",),
        ("CURRENT", "*.log"),
        ("CURRENT", "*.log", "*.sst"),
        ("*",),
        ("*", MARK),
        ("*.log", "*.sst"),
        ("MANIFEST-*", "*.log"),
    ],
    ids=" ".join,
)
async def test_much_that_is_gone_is_no_empty_index(crashed: Path, lost: tuple[str, ...]):
    """Broken: the node makes a new index, deletes what is left of the old one, and is ready."""
    for pattern in lost:
        for name in files(crashed, pattern):
            (index_path(crashed) / name).unlink()
    left = set(index_path(crashed).iterdir())
    with pytest.raises(StartupError, match=r"damaged.*--rebuild-index"):
        serve(crashed)
    assert left <= set(index_path(crashed).iterdir())
    assert fsck(crashed) == DAMAGED


async def test_a_mark_that_is_not_one_loses_nothing(crashed: Path):
    """Broken: a small file that is damaged keeps a node from starting."""
    (crashed / "index.mark").write_bytes(b"\xff" * 40)
    rows = serve(crashed)
    assert serve(crashed) == rows
    assert b"made " in (crashed / "index.mark").read_bytes()


async def test_an_index_from_before_there_were_marks_is_opened(crashed: Path):
    """Broken: an update of Atoll takes every index for damaged."""
    (crashed / "index.mark").unlink()
    assert fsck(crashed) == CLEAN
    serve(crashed)
    assert (crashed / "index.mark").exists()


def lose_the_end(data_dir: Path) -> None:
    log = max(index_path(data_dir).glob("*.log"))
    log.write_bytes(log.read_bytes()[:-100])


async def test_lost_changes_are_gone_only_when_accepted(crashed: Path, tmp_path: Path):
    """Broken: a node that is alone has to give up everything for the last few changes."""
    whole = serve(harmed(crashed, "LOG", lambda path: None, tmp_path / "whole"))
    lose_the_end(crashed)
    with pytest.raises(StartupError, match="--accept-data-loss"):
        serve(crashed)
    left = serve(crashed, Repair(accept_data_loss=True))
    assert 0 < len(left) <= len(whole)
    assert serve(crashed) == left, "accepted once, it is whole"


async def test_a_whole_index_is_not_rebuilt(crashed: Path):
    """Broken: with the option in a unit file, each restart throws the index away."""
    rows = serve(crashed)
    assert serve(crashed, Repair(rebuild=True)) == rows
    assert not list(crashed.glob(f"{ASIDE}*"))


async def test_without_another_node_an_index_is_rebuilt_only_when_loss_is_accepted(crashed: Path):
    """Broken: one option, meant for a cluster, empties a registry that has no other node."""
    (index_path(crashed) / "CURRENT").unlink()
    with pytest.raises(StartupError, match=r"--join.*--accept-data-loss.*lost"):
        serve(crashed, Repair(rebuild=True))
    assert serve(crashed, Repair(rebuild=True, accept_data_loss=True)) == {}
    [aside] = crashed.glob(f"{ASIDE}*")
    assert list(aside.glob("*.sst"))
    assert serve(crashed) == {}, "one that was begun anew is whole"


async def test_a_rebuild_that_was_broken_off_goes_on(
    crashed: Path, monkeypatch: pytest.MonkeyPatch
):
    """Broken: killed between two steps, it leaves an index that is taken for empty, or for ever."""
    (index_path(crashed) / "CURRENT").unlink()

    def die(mark: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr("node.index.mark.IndexMark.begin", die)
        with pytest.raises(KeyboardInterrupt):
            serve(crashed, Repair(rebuild=True, accept_data_loss=True))
    with pytest.raises(StartupError, match="is gone"):
        serve(crashed)
    assert serve(crashed, Repair(rebuild=True, accept_data_loss=True)) == {}


async def test_rows_that_are_not_those_of_the_sums_are_damage(crashed: Path):
    """Broken: --rebuild-index does nothing where the files are whole and the rows are not."""
    store = RocksStore(index_path(crashed))
    store._families["manifests"].delete(next(store.scan("manifests", b"", END))[0])
    store.sync()
    store.close()
    assert find_damage(crashed) == "its rows are not those of its sums"


async def test_what_the_disk_cannot_read_is_damage_to_a_rebuild(
    crashed: Path, monkeypatch: pytest.MonkeyPatch
):
    """Broken: one bad sector, and the way out is refused by the very fault that asks for it."""

    def fail(*_: object) -> None:
        raise StorageFailure("index storage failed: IO error: While pread: Input/output error")

    monkeypatch.setattr(RocksStore, "scan", fail)
    assert "Input/output error" in str(find_damage(crashed))


async def test_what_was_found_damaged_stays_so(crashed: Path):
    """Broken: a restart makes a node ready that will fail at the next read of the same row."""
    serve(crashed)
    store = RocksStore(index_path(crashed))
    for table in index_path(crashed).glob("*.sst"):
        flipped(0)(table)
    with pytest.raises(IndexDamaged):
        rows_of(store)
    assert isinstance(store.trouble, IndexDamaged)
    store.close()
    with pytest.raises(StartupError, match=r"Corruption.*--rebuild-index"):
        serve(crashed)


async def test_a_check_tells_what_a_rebuild_left(crashed: Path):
    """Broken: gigabytes lie there, and nobody says what they are."""
    (index_path(crashed) / "CURRENT").unlink()
    serve(crashed, Repair(rebuild=True, accept_data_loss=True))
    report = check(crashed)
    assert report.problems == []
    assert any("set aside" in note for note in report.notes)


def test_a_directory_that_is_no_nodes_stays_unusable(tmp_path: Path):
    assert fsck(tmp_path) == UNUSABLE
    (tmp_path / "blobs" / "sha256").mkdir(parents=True)
    assert fsck(tmp_path) == UNUSABLE
    assert serve(tmp_path) == {}, "a directory without one blob is new"
