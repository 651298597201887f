"""
The control log: one history of decisions for the whole cluster, by Paxos, slot after slot.

Pure: no wire, no disk, no clock; `cluster.driver.control` hands those in. What it is, its rules and
why they hold is in `docs/control-log.md`. Start reading at `participant`, which joins the parts of
one node; `values` has the words, `messages` what nodes say to each other, `coordinator` the port by
which the rest of a node sees it.
"""

from cluster.control.context import ControlConfig
from cluster.control.coordinator import Coordinator, Outcome
from cluster.control.effects import Effect, Persist, ReportOutcome, Send, StartEmpty, StopNode
from cluster.control.messages import AcceptorState, Letter
from cluster.control.participant import Participant
from cluster.control.state import ControlState

__all__ = [
    "AcceptorState",
    "ControlConfig",
    "ControlState",
    "Coordinator",
    "Effect",
    "Letter",
    "Outcome",
    "Participant",
    "Persist",
    "ReportOutcome",
    "Send",
    "StartEmpty",
    "StopNode",
]
