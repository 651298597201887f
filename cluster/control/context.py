"""What the parts of one participant share."""

from dataclasses import dataclass

from cluster.control.effects import Outbox
from cluster.control.log import ControlLog
from cluster.control.values import Voter
from cluster.ports import Chance


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlConfig:
    """Times in seconds."""

    retry_s: float = 0.5
    """After how long a message without an answer is sent again."""

    backoff_min_s: float = 0.05
    """The shortest pause of a proposer that met a larger ballot: about one round trip."""

    backoff_max_s: float = 2.0
    """The longest one."""

    finish_after_s: float = 2.0
    """For how long an acceptor has an undecided value before its node finishes the slot."""

    share_interval_s: float = 1.0
    """How often a node asks some other one for further slots."""

    trust_after_s: float = 5.0
    """For how long a voter in a new run waits to be welcomed before it trusts its disk."""

    quiet_s: float = 10.0
    """For how long a node has to be up and to hear of no cluster before it founds one, or lets
    somebody found one. No message may be on its way for longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Who this is, and what all parts work on."""

    node: str
    store: str
    region: str
    log: ControlLog
    outbox: Outbox
    chance: Chance
    config: ControlConfig

    @property
    def me(self) -> Voter:
        return Voter(self.node, self.store)
