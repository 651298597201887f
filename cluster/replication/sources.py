"""Which source to ask next for a blob, and whom to blame for wrong bytes. Pure."""

from collections import Counter, deque
from collections.abc import Collection, Iterable
from typing import Final

from cluster.model import NodeId

TRIES_MAX: Final = 3
"""How often one source is asked within a transfer. A source comes again where it brought bytes, or
said nothing at all: a link that breaks is worth a second attempt, a refusal is not."""


class Sources:
    """
    The sources of one transfer, best first.

    Bytes may come from several, one going on where another broke off. When the whole is wrong
    and several gave to it, nobody knows who lied; from then on the transfer is `cautious`: each
    source is asked alone, from zero, and nothing is shown to readers before it is verified.
    """

    def __init__(
        self,
        candidates: Iterable[NodeId],
        *,
        cautious: bool = False,
        guesses: Collection[NodeId] = (),
    ) -> None:
        """*guesses* are those that have not said that they hold it."""
        self._queue = deque(candidates)
        self._tries: Counter[NodeId] = Counter()
        self._givers: set[NodeId] = set()
        self.cautious = cautious
        self.guesses = guesses

    def next(self) -> NodeId | None:
        if not self._queue:
            return None
        node = self._queue.popleft()
        self._tries[node] += 1
        return node

    def gave(self, node: NodeId) -> None:
        """Note that bytes of *node* are in what has been received."""
        self._givers.add(node)

    def broke_off(self, node: NodeId, *, refused: bool = False) -> None:
        """
        Note that *node* failed before the end. It comes again behind the others, but for one that
        *refused*, or of which it is only guessed that it has the blob, and that gave nothing.
        """
        worthwhile = node in self._givers or not (refused or node in self.guesses)
        if worthwhile and self._tries[node] < TRIES_MAX:
            self._queue.append(node)

    def start_over(self) -> None:
        """Note that what was received has been thrown away, for no fault of the bytes."""
        self._givers.clear()

    def mismatch(self) -> set[NodeId]:
        """
        Judge the sources of content that proved wrong, and return those who gave to it.

        A sole giver is left out for good. Several are asked again, each alone.
        """
        givers, self._givers = self._givers, set()
        self.cautious = True
        if len(givers) == 1:
            self._queue = deque(node for node in self._queue if node not in givers)
        else:
            again = sorted(node for node in givers if node not in self._queue)
            self._queue.extend(node for node in again if self._tries[node] < TRIES_MAX)
        return givers
