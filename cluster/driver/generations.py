"""How a cluster begins, and goes on after a disaster, by an operator's word."""

from collections.abc import Collection
from typing import Final

from cluster.control.coordinator import Decided, NoMajority, Refused
from cluster.driver.control import ControlDriver
from cluster.driver.layouts import Layouts
from cluster.environment import Environment
from cluster.errors import MemberMissing, NotDecided, SurvivorsUnfit, VersionTaken
from cluster.layout.changes import Remove
from cluster.layout.document import Layout
from cluster.model import NodeId
from cluster.tasks.changes import Topic

_TIME_S: Final = 30.0
"""How long a node may take to found a cluster once it may, or survivors to say what they have."""


class Generations:
    """Founds and forces generations of the control log, and makes the layout follow."""

    def __init__(self, env: Environment, control: ControlDriver, layouts: Layouts) -> None:
        self._env = env
        self._control = control
        self._layouts = layouts

    async def begin(self) -> Layout:
        """
        Found a cluster of this node alone; returns its first layout.

        Raises:
            VersionTaken: there is a layout.
            NotDecided: none has come of it in time.
        """
        chronicle = self._env.chronicle
        if (live := chronicle.live) is not None:
            raise VersionTaken(live.newest.version, 1)
        self._control.begin_alone()
        at_most_s = self._env.config.quiet_s + _TIME_S
        await self._env.changes.wait_until(
            lambda: chronicle.live is not None, Topic.LAYOUT, at_most_s=at_most_s
        )
        if not self._env.roll.has_me:
            raise NotDecided("this node has heard of a cluster: let it be added there")
        return self._layouts.live.newest

    async def force(self, survivors: Collection[NodeId]) -> int:
        """
        Go on with *survivors* after a majority of the voters is lost for good: the others are out
        of the layout, and what only they had is gone. Returns the version in which that is so.

        Raises:
            MemberMissing, SurvivorsUnfit: nothing was done.
            LayoutRefused, NotDecided: see `Layouts.change`; the survivors may have begun a new
                generation, and to force once more goes on from there.
        """
        layouts, me = self._layouts, self._env.me.node
        members = {disk.node for disk in layouts.live.members}
        for node in sorted(survivors):
            if node not in members:
                raise MemberMissing(node)
        if me not in survivors:
            raise SurvivorsUnfit(sorted(survivors), f"{me} is asked, and has to be one of them")
        voters, silent = layouts.voters()
        if 2 * len(silent) < len(voters):
            raise SurvivorsUnfit(
                sorted(survivors), "most voters answer; remove those that are lost, one by one"
            )
        match await self._control.force(sorted(survivors), timeout=_TIME_S):
            case Decided():
                return await self._without(members.difference(survivors))
            case NoMajority(missing):
                raise NotDecided("not every survivor answers", missing)
            case Refused(reason):
                raise NotDecided(reason)
            case _:
                raise NotDecided("a new generation was asked for, and may come about still")

    async def _without(self, lost: Collection[NodeId]) -> int:
        """Take those that are *lost* out of the layout."""
        layouts = self._layouts
        if layouts.live.stage.joint:
            await layouts.forsake(lost)
        going = sorted(layouts.live.newest.nodes.intersection(lost))
        if not going:
            return layouts.live.newest.version
        return await layouts.change(*(Remove(node) for node in going), lost=going)
