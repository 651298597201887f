"""Has this node heard enough to serve? Pure."""

from collections.abc import Iterable, Mapping

from cluster.model import NodeId


class Join:
    """
    Joined once every seed has been greeted and what it knew has been pulled, and likewise every
    member remembered from before a restart; or on giving up.

    A seed is an address; the node behind it is known from its greeting. Joined is joined: losing
    a peer later changes nothing.
    """

    def __init__(self, seeds: Iterable[str], *, empty: bool = False) -> None:
        """*empty*: this node has nothing, and knows of nobody, from before."""
        self._empty = empty
        self._ungreeted = set(seeds)
        self._awaited: set[NodeId] = set()
        self._caught_up: set[NodeId] = set()
        self._vouching: set[NodeId] = set()
        self.joined = not self._ungreeted
        self._met = False
        self._refusals: dict[str, str] = {}
        self._unanswered: dict[str, str] = {}
        self._remembered: dict[NodeId, bool] = {}

    @property
    def missing(self) -> list[str]:
        """What joining still waits for, for the log: addresses, and nodes to catch up with."""
        return sorted([*self._ungreeted, *self._uncaught()])

    def greeted(self, seed: str, node: NodeId | None) -> None:
        """Note who answers at *seed*; None when it is this node itself."""
        self._ungreeted.discard(seed)
        self._unanswered.pop(seed, None)
        self._refusals.pop(seed, None)
        if node is not None:
            self._met = True
            self._awaited.add(node)
        self._settle()

    @property
    def seeds_missing(self) -> Mapping[str, str]:
        """The seeds that have not answered, and why as far as is known."""
        return {seed: self._unanswered.get(seed, "not asked yet") for seed in self._ungreeted}

    @property
    def waits_for(self) -> str:
        """What joining still waits for, a line for people."""
        missing = sorted(self.seeds_missing.items())
        told = [f"{seed} in join does not answer: {reason}" for seed, reason in missing]
        uncaught = sorted(self._uncaught())
        if uncaught:
            told.append(f"catching up with {', '.join(uncaught)}")
        if self.knows_nothing and not told:
            told.append("nobody who answers has an index, or has joined")
        return "; ".join(told) or "starting"

    def unanswered(self, seed: str, reason: str, *, refused: bool = False) -> None:
        """
        Note why *seed* does not take this node in. *refused*: it answers, and will not have this
        node in its cluster.
        """
        self._unanswered[seed] = reason
        if refused:
            self._refusals[seed] = reason

    def rejection(self, *, final: bool) -> str | None:
        """
        Why this node cannot join: every seed that answered has refused it. None: it may.

        *final* says that the seeds which have not answered are not waited for any longer.
        """
        if self._awaited or not self._refusals:
            return None
        if not final and self._ungreeted - self._refusals.keys():
            return None
        told = (f"{seed}: {reason}" for seed, reason in sorted(self._refusals.items()))
        return f"the cluster does not take this node ({'; '.join(told)})"

    def remember(self, node: NodeId, *, dead: bool) -> None:
        """
        Wait for a member of before the restart too. One that was *dead* gets a single attempt:
        most likely it still is, and then every start would take the whole time.
        """
        self._remembered[node] = dead
        self._empty = self.joined = False

    def failed(self, node: NodeId) -> None:
        """Note that *node* did not answer."""
        if self._remembered.get(node, False):
            self.excuse(node)

    def excuse(self, node: NodeId) -> None:
        """Do not wait for *node*: it left, say."""
        self._remembered.pop(node, None)
        self._awaited.discard(node)
        self._settle()

    def vouch(self, node: NodeId) -> bool:
        """
        Note that *node* has joined, or had an index at its start, so that it is not another one
        that waits.
        Returns whether that is news.
        """
        news = node not in self._vouching
        self._vouching.add(node)
        return news

    def caught_up(self, node: NodeId) -> None:
        """Note that everything *node* had is here now."""
        self._caught_up.add(node)
        self._settle()

    @property
    def knows_nothing(self) -> bool:
        """
        Whether this node came empty, and has taken over nobody's index yet.

        Alone it would take pushes as if it were the whole cluster (P1), and deny what others have;
        so would several that came empty together.
        """
        return self._empty and self._caught_up.isdisjoint(self._vouching)

    def give_up(self) -> None:
        """Serve with what there is: a dead seed must not keep its region down."""
        self.joined = True

    def _settle(self) -> None:
        # Who came empty and met somebody has not joined because that one left. If all seeds are
        # there and nobody has anything, the cluster is new.
        alone = self._empty and self._met and not self._caught_up
        self.joined = self.joined or not (self._ungreeted or self._uncaught() or alone)

    def _uncaught(self) -> set[NodeId]:
        return (self._awaited | self._remembered.keys()) - self._caught_up
