"""What to pass on, and how often (SWIM, section 4.1: infection-style dissemination). Pure."""

import math
from dataclasses import dataclass

from cluster.model import NodeId, Rumour


@dataclass(slots=True)
class _Entry:
    rumour: Rumour
    sent: int = 0


class RumourQueue:
    """
    The news of each member, the least told first.

    A rumour is told `factor * ceil(log2(members + 1))` times and then dropped: when everybody who
    heard it has done so, it is likely that nobody was left out, and tables compared now and then
    bring it to the rest. That is also the answer when the queue is full: what was told most often
    goes, and is counted.
    """

    def __init__(self, length_max: int, factor: int) -> None:
        self._length_max = length_max
        self._factor = factor
        self._entries: dict[NodeId, _Entry] = {}
        self.dropped = 0
        """Rumours that had to go before they were told often enough."""

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, rumour: Rumour) -> None:
        """Tell *rumour* from now on, in the place of what was told of that member before."""
        node = rumour.member.node
        # Taken out first, so that the newest is the last among equals.
        self._entries.pop(node, None)
        if len(self._entries) >= self._length_max:
            most_told = max(self._entries, key=lambda each: self._entries[each].sent)
            del self._entries[most_told]
            self.dropped += 1
        self._entries[node] = _Entry(rumour)

    def take(self, most: int, members: int) -> list[Rumour]:
        """Up to *most* rumours for one message in a cluster of *members*; counts as telling."""
        chosen = sorted(self._entries.items(), key=lambda item: item[1].sent)[:most]
        limit = self.times(members)
        for node, entry in chosen:
            entry.sent += 1
            if entry.sent >= limit:
                del self._entries[node]
        return [entry.rumour for _, entry in chosen]

    def peek(self, most: int) -> list[Rumour]:
        """
        The same for an answer, which does not count: nobody may be waiting for it any more, as for
        all the answers of a node that stood still for a while.
        """
        chosen = sorted(self._entries.values(), key=lambda entry: entry.sent)[:most]
        return [entry.rumour for entry in chosen]

    def times(self, members: int) -> int:
        """How often each rumour is told."""
        return self._factor * math.ceil(math.log2(members + 1))
