"""
The side that acknowledges: who has confirmed an event of this node's log?

A member q confirms with its log's state and with its *readers*: the runs that may read by its word,
as they were after it had the event. It counts once each of them has said that it has the event. A
reader that falls behind gets no further lease, and q's next word does not name it any more; so the
last word of q is all that is needed, and no time.
"""

from collections.abc import Callable, Mapping, Set
from typing import NamedTuple

from cluster.messages import Confirmation, Stage
from cluster.model import Disk, Run

Epochs = Mapping[Disk, int]
"""The newest known run of each disk."""


class Told(NamedTuple):
    """What is news in a confirmation: how events stand after *after*, up to *upto*."""

    after: int
    upto: int
    others: bool
    """Others read by the member's word than before, or it knows of other runs: any event may stand
    otherwise."""


class Confirmations:
    """What the members of this region's quorum said last, of this node's present log."""

    def __init__(self) -> None:
        self._stage: Stage | None = None
        self._said: dict[Disk, tuple[int, Confirmation]] = {}
        self._reached: dict[Run, int] = {}

    def begin(self, stage: Stage) -> None:
        """Forget what was said at another stage: who speaks of this one may count others."""
        if stage != self._stage:
            self._stage = stage
            self._said.clear()

    def note(self, run: Run, stage: Stage, said: Confirmation) -> Told:
        """Note what *run*, at *stage*, says of this node's present log."""
        upto = said.upto
        least, most = upto, upto
        for reader, reached in said.readers.items():
            before = self._reached.get(reader, 0)
            if reached > before:
                self._reached[reader] = reached
                least, most = min(least, before), max(most, reached)
        if stage != self._stage:
            return Told(least, most, others=False)
        known = self._said.get(run.disk)
        if known is not None and known[0] == run.epoch and known[1].upto > upto:
            # A word that another one has overtaken.
            return Told(least, most, others=False)
        self._said[run.disk] = run.epoch, said
        if known is None or known[0] != run.epoch:
            return Told(0, most, others=True)
        last = known[1]
        others = said.readers.keys() != last.readers.keys() or said.epochs != last.epochs
        return Told(min(least, last.upto), most, others)

    def has(self, reader: Run, seq: int) -> bool:
        """Whether *reader* has the event *seq*, by what it told somebody who told this node."""
        return self._reached.get(reader, 0) >= seq

    def confirmed(self, seq: int, epochs: Epochs, has: Callable[[Run, int], bool]) -> Set[Disk]:
        """
        Who has confirmed the event *seq*. *epochs* are the runs that this node knows of, and *has*
        tells whether a reader has told this node itself that it has an event.
        """
        said = {
            disk: (epoch, word)
            for disk, (epoch, word) in self._said.items()
            if word.upto >= seq and all(has(r, seq) or self.has(r, seq) for r in word.readers)
        }
        # A confirmation of a run that is over counts for nothing: its disk may have been set back,
        # and got back what those had who know of its later run.
        names = (epochs, *(word.epochs for _, word in said.values()))
        return {
            disk
            for disk, (epoch, _) in said.items()
            if all(known.get(disk, epoch) == epoch for known in names)
        }

    def forget_runs(self, epochs: Epochs) -> None:
        """Forget what earlier runs than *epochs* said: the table holds one of each disk."""
        over = [r for r in self._reached if epochs.get(r.disk, r.epoch) > r.epoch]
        for run in over:
            del self._reached[run]
