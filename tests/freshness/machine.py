"""A node with its disk and its clock. It runs, is frozen, is down, or its disk was set back."""

from typing import TYPE_CHECKING, Final

from cluster.model import Disk, Member, NodeId, Origin, Region
from tests.freshness.process import Process

if TYPE_CHECKING:
    from tests.freshness.world import World

KEPT: Final = 40


class Machine:
    def __init__(self, world: "World", name: str, region: str, rate: float) -> None:
        self.world = world
        self.node = NodeId(name)
        self.region = Region(region)
        self.disk = Disk(self.node, f"{name}-disk1")
        self.rate = rate
        self.durable: dict[Origin, int] = {}
        self.slots = 1
        self.known: dict[NodeId, Member] = {}
        """Members, as they were saved."""

        self.images: list[tuple[dict[Origin, int], int]] = []
        """What the disk was at some moments of the past."""

        self.process: Process | None = None
        self.frozen_until = 0.0
        self.sync_s = 0.001
        self.is_set_back = False
        """A run since then has not got back yet what the disk lost."""

    def clock(self) -> float:
        """Seconds, monotonic. It goes on while the machine is frozen."""
        return 1000.0 + self.world.now * self.rate

    @property
    def is_up(self) -> bool:
        return self.process is not None

    @property
    def is_awake(self) -> bool:
        return self.process is not None and self.frozen_until <= self.world.now

    def start(self) -> None:
        if self.process is None:
            self.process = Process(self, self.world.next_epoch())
            self.process.start()

    def kill(self) -> None:
        if self.process is not None:
            self.known |= {m.node: m for m in self.process.env.members.others()}
            self.process.is_over = True
            self.process = None

    def keep_image(self) -> None:
        self.images = [*self.images[-KEPT:], (dict(self.durable), self.slots)]

    def set_back(self, image: tuple[dict[Origin, int], int]) -> None:
        """Give the disk the content that it had earlier."""
        assert self.process is None, "a running node notices"
        self.durable, self.slots = dict(image[0]), image[1]
        self.is_set_back = True
