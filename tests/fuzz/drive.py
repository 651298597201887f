"""Many inputs for one target, for a time: what runs in the process of that target."""

import gc
import random
import re
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Final

import msgspec
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.internal.conjecture import data

from tests.fuzz.allocated import used_bytes
from tests.fuzz.record import SETTLED_S, Fault, Record
from tests.fuzz.target import Input, Target
from tests.fuzz.targets import TARGETS
from tests.fuzz.trial import Cost, Trials
from tests.fuzz.watch import BlackBox, end_on_sigterm

_BATCH: Final = 250
"""Inputs made from one seed. Hypothesis remembers what it has made of it, so it ends."""

_ERROR: Final = re.compile(r"\b(\w+(?:Error|Exception|Invalid|Wrong))\b")


class Drive:
    """Tries inputs, and keeps the record."""

    def __init__(self, target: Target, seed_of_run: int, box: BlackBox | None = None) -> None:
        self.record = Record(target.name, seed_of_run)
        self._target = target
        # Made once: Hypothesis remembers each strategy that it has met, for good.
        self._inputs = target.inputs()
        self._box = box
        self._known: set[str] = set()
        self._failing: tuple[str, Input, BaseException] | None = None
        self._counts: Counter[str] = Counter()

    def run(
        self,
        seconds: float,
        most: int = sys.maxsize,
        *,
        enough: int = sys.maxsize,
        until_fault: bool = False,
    ) -> Record:
        """
        Try inputs for so long, or so many; or until one is answered wrongly. So many are *enough*
        once each outcome has occurred that is expected.
        """
        record, number = self.record, 0
        self._most, self._enough = most, enough
        # Whether there is a fault is all that is asked: it need not be short.
        self._phases = (Phase.generate,) if until_fault else (Phase.generate, Phase.shrink)
        with Trials(self._target) as trials:
            gc.collect()
            gc.freeze()  # what is there before the first input is not looked through again
            began = time.monotonic()
            self._ends = began + seconds
            while not self._is_over() and not (until_fault and record.faults):
                self._batch(trials, number)
                number += 1
                if not record.settled_bytes and time.monotonic() - began >= SETTLED_S:
                    record.settled_bytes = self._memory_bytes()
            record.seconds = time.monotonic() - began
            record.end_bytes = self._memory_bytes()
            gc.unfreeze()
        record.outcomes = dict(sorted(self._counts.items()))
        record.lacking = sorted(self._target.expected - self._counts.keys())
        return record

    def _memory_bytes(self) -> int:
        """
        What this process uses, without what is remembered of inputs: that has bounds of its own,
        and a slow machine does not reach them within the first minute.
        """
        self._target.forget()
        gc.collect()
        return used_bytes()

    def _is_over(self) -> bool:
        inputs = self.record.inputs
        if time.monotonic() >= self._ends or inputs >= self._most:
            return True
        return inputs >= self._enough and self._target.expected <= self._counts.keys()

    def _batch(self, trials: Trials, number: int) -> None:
        number_of_seed = random.Random(f"{self.record.seed}/{number}").getrandbits(64)

        @seed(number_of_seed)
        @settings(
            max_examples=_BATCH,
            deadline=None,
            database=None,
            phases=self._phases,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        )
        @given(self._inputs)
        def every(made: Input) -> None:
            if self._failing is not None or not self._is_over():
                self._one(trials, made)

        self._failing = None
        data.STRUCTURAL_COVERAGE_CACHE.clear()  # it is never asked again, and grows for ever
        try:
            every()
        except BaseException as exc:
            if self._failing is None or isinstance(exc, KeyboardInterrupt | SystemExit):
                raise
            key, made, error = self._failing
            self._known.add(key)
            said = "".join(traceback.format_exception_only(error)).strip()
            self.record.faults.append(Fault(said, _as_json(made)))

    def _one(self, trials: Trials, made: Input) -> None:
        text = _as_json(made)
        if self._box is not None:
            self._box.note(text)
        self.record.inputs += 1
        try:
            outcomes, cost = trials.attempt(made)
            if cost.is_too_much:
                cost = trials.again(made, cost)
                assert not cost.is_too_much, (
                    f"it takes {cost.cpu_s:.3f} s, {cost.hold_s:.3f} s at once"
                )
        except Exception as exc:
            key = _kind_of(exc)
            if key in self._known:
                self.record.repeated += 1
                return
            if self._failing is None or key == self._failing[0]:
                self._failing = key, made, exc
                raise
            return  # another fault, met while the first one is made shorter: it will come again
        self._counts.update(outcomes)
        self._note(cost, text)

    def _note(self, cost: Cost, text: str) -> None:
        for kept, seconds in ((self.record.cpu, cost.cpu_s), (self.record.hold, cost.hold_s)):
            if seconds > kept.seconds:
                kept.seconds, kept.given = seconds, text


def _kind_of(exc: BaseException) -> str:
    """What tells faults apart: where it was seen, and what the node says that it was."""
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(exc.__traceback__)
        if "/tests/fuzz/" in frame.filename
        and not frame.filename.endswith(("target.py", "drive.py"))
    ]
    named = [_ERROR.findall(note)[-1:] for note in getattr(exc, "__notes__", ())]
    return f"{type(exc).__name__} {lines[-2:]} {named}"


def _as_json(made: Input) -> str:
    return msgspec.json.encode(made).decode()


def main(name: str, seconds: str, seed_of_run: str, directory: str) -> None:
    """One target in a process of its own; the record is left in *directory*."""
    end_on_sigterm()
    with BlackBox(Path(directory) / f"{name}.box") as box:
        record = Drive(TARGETS[name](), int(seed_of_run), box).run(float(seconds))
    Path(directory, f"{name}.json").write_bytes(msgspec.json.encode(record))


if __name__ == "__main__":
    main(*sys.argv[1:])
