"""The fuzzer finds nothing in a moment, what it found once stays away, and it notices bugs."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from cluster.model import Digest
from node.errors import ManifestInvalid
from node.index import local
from node.registry.manifests import parse_manifest
from tests.api.seeded import seeded
from tests.fuzz import watch
from tests.fuzz.allocated import used_bytes
from tests.fuzz.asking import Undocumented
from tests.fuzz.drive import Drive
from tests.fuzz.kept import WHERE, keep, read
from tests.fuzz.manifests import ManifestInput, Manifests
from tests.fuzz.mutants import MUTANTS
from tests.fuzz.names import NameInput, Names
from tests.fuzz.record import Fault, Record
from tests.fuzz.targets import TARGETS
from tests.fuzz.tokens import TokenInput
from tests.fuzz.trial import Cost, Trials

ROOT = Path(__file__).parents[2]
_INPUTS = 400
_NOTICED_IN = 2000
_SECONDS = math.inf
"""How many inputs there are says the seed, and no clock."""

pytestmark = [pytest.mark.usefixtures("process_logs"), pytest.mark.timeout(900)]


@pytest.mark.parametrize("name", TARGETS)
def test_a_moment_of_fuzzing_finds_nothing(name: str):
    """
    Broken: some input of the first hundreds is answered wrongly, or none gets anywhere.

    In a process of its own: Hypothesis takes constants from all modules that are there, so that one
    seed makes other inputs beside other tests.
    """
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.moment", name, str(_INPUTS)],
        env=os.environ | {"PYTHONHASHSEED": "0"},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", sorted(WHERE.glob("*.json")), ids=lambda path: path.stem)
def test_what_was_found_once_stays_away(path):
    """Broken: an input that was answered wrongly once is again."""
    name, given = read(path)
    with Trials(TARGETS[name]()) as trials:
        trials.attempt(given)


@pytest.mark.parametrize("name", MUTANTS)
def test_a_seeded_bug_is_noticed(name: str):
    """Broken: the target finds nothing because it looks at nothing."""
    bug = MUTANTS[name]
    with seeded(bug):
        record = Drive(TARGETS[bug.noticed_by](), 1).run(_SECONDS, _NOTICED_IN, until_fault=True)
    assert record.faults


def test_what_a_seeded_bug_has_taken_is_forgotten():
    """
    Broken: a manifest that was taken for the bug's sake is remembered as one that can be; whoever
    sends it later, in tests of another kind, is told 500, as the index does not take it.
    """
    body = b'{"mediaType":"no type"}'
    made = ManifestInput(body, b"", 0, b"", False, "v1", "")
    with (
        seeded(MUTANTS["any-text-is-a-type"]),
        Trials(Manifests()) as trials,
        pytest.raises(Undocumented, match="500"),
    ):
        trials.attempt(made)
    with pytest.raises(ManifestInvalid):
        parse_manifest(Digest.of(body), body)


def test_a_fault_has_the_whole_traceback_and_its_input(monkeypatch):
    """Broken: an answer of 500 that no later run shows again says nothing of what it was."""
    monkeypatch.setattr(local.objects, "apply", lambda txn, event: "it has been made up")
    [problem, *_] = Drive(Names(), 1).run(_SECONDS, _NOTICED_IN, until_fault=True).problems()
    assert "in emit\n" in problem
    assert "AssertionError: this node's own event was quarantined: it has been made up" in problem
    given = json.loads(problem.rpartition("input: ")[2])
    assert msgspec.convert(given, NameInput).reference


def test_each_target_has_a_bug_that_it_notices():
    assert {bug.noticed_by for bug in MUTANTS.values()} == TARGETS.keys()


def test_a_fault_is_kept_and_found_again(tmp_path):
    """Broken: an input that was found is not what is tried ever after."""
    edits = [("insert", 1, 2, b"\xff\x00")]
    made = TokenInput("noise", b"Bearer ", edits, {"kid": []}, {}, 0, "ann", "\ud7ff", b"\xff")
    path = keep(tmp_path, "tokens", Fault("why", msgspec.json.encode(made).decode()))
    assert read(path) == ("tokens", made)


def test_what_is_kept_is_seen_and_what_was_freed_is_not():
    """Broken: a leak is no growth; or what the allocator keeps for later is one."""
    before = used_bytes()
    kept = [bytes(size % 5_000) for size in range(20_000)]
    assert used_bytes() - before > 40 << 20
    last = kept[-100:]  # what is behind them cannot be given back
    del kept
    assert used_bytes() - before < 5 << 20
    assert len(last) == 100


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({}, False),
        ({"end_bytes": 109}, False),
        ({"end_bytes": 111}, True),
        ({"end_bytes": 89}, True),
        ({"end_bytes": 500, "seconds": 100.0}, False),
        ({"lacking": ["push 201"]}, True),
        ({"faults": [Fault("why", "{}")]}, True),
    ],
)
def test_what_fails_a_run(change, wrong):
    """Broken: a leak, a fault or a target that gets nowhere is a run that is well."""
    record = Record("names", 1, seconds=600.0, settled_bytes=100, end_bytes=100)
    for name, value in change.items():
        setattr(record, name, value)
    assert bool(record.problems()) == wrong


_HANGS = "while True: pass"
_CRASHES = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"


@pytest.mark.parametrize(("does", "says"), [(_HANGS, "it hangs"), (_CRASHES, "signal SIGSEGV")])
def test_what_hangs_or_kills_the_process_is_known(tmp_path, monkeypatch, does: str, says: str):
    """Broken: an input that no exception tells of is lost, or a run never ends."""
    monkeypatch.setattr(watch, "HANG_CPU_S", 0.2)
    with watch.BlackBox(tmp_path / "names.box") as box:
        box.note('{"tried": 1}')
        box.note('{"tried": 2}')
    watched = watch.Watched("names", 60.0, 1, tmp_path, (sys.executable, "-c", does))
    record = watched.poll()
    while record is None:
        record = watched.poll()
    [fault] = record.faults
    assert says in fault.says
    assert (record.inputs, fault.given) == (2, '{"tried": 2}')


def test_an_input_that_costs_too_much_is_tried_again(monkeypatch):
    """Broken: a busy machine fails a run, or an input that is slow each time does not."""
    costs = [Cost(2.0, 0.0), Cost(0.1, 0.06), Cost(0.1, 0.01)]
    with Trials(TARGETS["digests"]()) as trials:
        monkeypatch.setattr(trials, "attempt", lambda given: ((), costs.pop(0)))
        assert trials.again(None, costs.pop(0)) == Cost(0.1, 0.0)
        costs[:] = [Cost(0.1, 0.06)] * 2
        assert trials.again(None, Cost(0.1, 0.07)).is_too_much
