"""Which files need not be hashed again."""

import os

import pytest

from cluster.model import Digest
from node.blobs import verified
from node.blobs.verified import SLOTS, RunningCheck, VerifiedFiles

DATA = b"a layer"


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "blob"
    file.write_bytes(DATA)
    return file


@pytest.fixture
def clock(monkeypatch):
    """The table's clock, in seconds."""
    times = [1000.0]
    monkeypatch.setattr(verified, "_now_ms", lambda: int(times[0] * 1000))
    return times


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_file_is_known_for_the_interval(path, clock, algorithm):
    """Broken: rot is served for ever, or every read pays for a hash."""
    files, digest = VerifiedFiles(60.0, slots=8), Digest.of(DATA, algorithm)
    assert not files.knows(digest, path.stat())
    files.note(digest, path.stat())
    assert files.knows(digest, path.stat())
    clock[0] += 59.9
    assert files.knows(digest, path.stat())
    clock[0] += 0.2
    assert not files.knows(digest, path.stat())


def rewrite(path):
    path.write_bytes(b"A layer")


def touch(path):
    os.utime(path, ns=(1, 1))


def change_the_mode(path):
    # Moves nothing but ctime, as do writes by somebody who sets the mtime back.
    path.chmod(0o600)


def replace(path):
    before = path.stat()
    other = path.with_name("other")
    other.write_bytes(DATA)
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.rename(path)


@pytest.mark.parametrize("change", [rewrite, touch, change_the_mode, replace])
def test_a_file_that_was_touched_is_not_known(path, change):
    """Broken: what an operator or another process did to a file is served unseen."""
    files, digest = VerifiedFiles(60.0), Digest.of(DATA)
    before = path.stat()
    files.note(digest, before)
    change(path)
    assert not files.knows(digest, path.stat())
    assert files.knows(digest, before)


def test_an_interval_of_zero_knows_nothing(path):
    files, digest = VerifiedFiles(0.0), Digest.of(DATA)
    files.note(digest, path.stat())
    assert not files.knows(digest, path.stat())


def test_the_table_is_bounded_and_a_file_that_lost_its_place_is_not_known(path):
    """Broken: millions of blobs cost memory without end, or one is taken for another."""
    files = VerifiedFiles(60.0, slots=4)
    digests = [Digest.of(b"%d" % number) for number in range(64)]
    for digest in digests:
        files.note(digest, path.stat())
    known = [digest for digest in digests if files.knows(digest, path.stat())]
    assert 1 <= len(known) <= 4
    assert len(VerifiedFiles(60.0)._table) * 8 == 16 << 20 == SLOTS * 16


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("cut", [0, 3, len(DATA)])
def test_a_running_check_judges_all_bytes(path, algorithm, cut):
    digest = Digest.of(DATA, algorithm)
    files = VerifiedFiles(60.0)
    wrong = RunningCheck(digest, path.stat(), files)
    wrong.update(DATA[:cut])
    assert not wrong.completes(DATA[cut:] + b"?")
    assert not files.knows(digest, path.stat())
    right = RunningCheck(digest, path.stat(), files)
    right.update(DATA[:cut])
    assert right.completes(DATA[cut:])
    assert files.knows(digest, path.stat())
