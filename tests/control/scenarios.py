"""
Bugs that need so many things in one order that chance does not find them: told step by step.

Voters are n0, n1 and n2. P is n4, whose proposal gets stuck; Q is n3, who proposes something else.
"""

from collections.abc import Callable
from typing import Final

from cluster.control.log import Forked
from cluster.control.messages import (
    Accept,
    Accepted,
    AcceptorState,
    BallotRefused,
    Have,
    Hello,
    Install,
    Prepare,
    Promise,
    Seal,
    Sealed,
    Slots,
    Welcome,
)
from cluster.control.values import Seat, Setting, Voters
from tests.control.plan import Result
from tests.control.table import Table


def a_forgotten_acceptance(table: Table) -> None:
    """n0 forgets that it accepted P's value. n1 and n2 welcome it; then P hears of n1."""
    _stuck(table)
    disk = table.disks["n0"]
    table.deliver(Accept, to=("n0",))
    table.deliver(Accepted)
    table.set_back("n0", disk)
    table.deliver(Hello, to=("n1", "n2"))
    table.deliver(Welcome)
    _goes_on(table, "n0", "n2")
    table.deliver(Accept, to=("n1",), sender=("n4",))
    table.deliver(Accepted)


def two_accepted_values(table: Table) -> None:
    """n0 accepted P's value. n1 and n2 decided Q's, and do not know it. P comes back."""
    _stuck(table)
    table.deliver(Accept, to=("n0",))
    table.letters.clear()
    _goes_on(table, "n1", "n2")
    table.letters.clear()
    table.now += 1.0
    table.do("n4", table.nodes["n4"].tick(table.now))
    table.deliver(Accept, to=("n1",))
    table.deliver(BallotRefused)
    table.now += 3.0
    table.do("n4", table.nodes["n4"].tick(table.now))
    for kind in (Prepare, Promise):
        for voter in ("n1", "n0"):
            table.deliver(kind, to=(voter, "n4"), sender=(voter, "n4"))
    table.deliver(Accept, to=("n0", "n1"))
    table.deliver(Accepted)


def a_counter_that_was_heard(table: Table) -> None:
    """The same, but n2 is not there, and n0 comes to trust its disk, of which P heard more."""
    _stuck(table)
    disk = table.disks["n0"]
    table.deliver(Accept, to=("n0",))
    table.deliver(Accepted)
    table.set_back("n0", disk)
    table.deliver(Hello, to=("n1", "n4"))
    table.deliver(Welcome)
    table.now += 100.0
    _goes_on(table, "n0", "n1")
    table.deliver(Accept, to=("n2",), sender=("n4",))
    table.deliver(Accepted)


def an_era_that_was_forgotten(table: Table) -> None:
    """n0 forgets an era, and is welcomed by voters of the one before, who know nothing of it."""
    genesis = table.disks["n0"]
    table.hear("n4", "n3")
    seats = (Seat("n0", "n0#1", 1), Seat("n3", "n3#1", 1), Seat("n4", "n4#1", 1))
    table.propose("n4", Voters(seats), timeout=999.0)
    table.deliver(Prepare)
    table.deliver(Promise)
    table.deliver(Accept, to=("n0", "n1"))
    table.deliver(Accepted)
    table.deliver(Slots, to=("n0", "n3"))
    table.deliver(Have)
    table.letters.clear()

    table.propose("n4", Setting("x", "of P"), timeout=999.0)
    table.deliver(Prepare, to=("n0", "n4"))
    table.deliver(Promise)
    table.deliver(Accept, to=("n0",))
    table.deliver(Accepted)

    table.set_back("n0", genesis)
    table.deliver(Hello, to=("n1", "n2"))
    table.deliver(Welcome)
    table.do("n1", table.nodes["n1"].catch_up(99, now=table.now, timeout=999.0))
    for _ in range(20):
        table.wait(0.5)
        for kind in (Prepare, Promise, BallotRefused, Accept, Accepted, Slots):
            table.deliver(kind, to=("n0", "n1", "n2"), sender=("n0", "n1", "n2"))
    _goes_on(table, "n0", "n3")
    table.deliver(Accept, to=("n4",), sender=("n4",))
    table.deliver(Accepted)


def a_vote_after_the_seal(table: Table) -> None:
    """An operator gives n1 and n2 up. n0 says what it has, and then hears of P's value."""
    _stuck(table)
    survivors = ("n0", "n3")
    table.do("n3", table.nodes["n3"].force(9, survivors, now=table.now, timeout=999.0))
    table.deliver(Seal)
    table.deliver(Accept, to=("n0", "n1"))
    table.deliver(Accepted)
    table.deliver(Sealed)


def a_longer_log_than_that_of_who_forces(table: Table) -> None:
    """n0 knows that P's value is decided. n3, who forces a generation with n0, does not."""
    _stuck(table)
    table.deliver(Accept, to=("n0", "n1"))
    table.deliver(Accepted)
    table.deliver(Slots, to=("n0",))
    table.letters.clear()
    table.do("n3", table.nodes["n3"].force(9, ("n0", "n3"), now=table.now, timeout=999.0))
    for kind in (Seal, Sealed, Have, Slots, Install, Have):
        table.deliver(kind, to=("n0", "n3"), sender=("n0", "n3"))


def a_wiped_founder(table: Table) -> None:
    """n0, which its configuration names alone, comes back empty before it hears of the cluster."""
    table.initial["n0"] = ("n0",)
    table.set_back("n0", (AcceptorState(), []))
    for _ in range(4):
        table.wait(1.0)
    table.settle()
    table.propose("n4", Setting("x", "y"), timeout=99.0)
    table.settle()


def _stuck(table: Table) -> None:
    """P has the promises of all, and nobody has its value yet."""
    table.propose("n4", Setting("x", "of P"), timeout=999.0)
    table.deliver(Prepare)
    table.deliver(Promise)


def _goes_on(table: Table, *voters: str) -> None:
    """Q and these voters decide something, if they can."""
    table.propose("n3", Setting("x", "of Q"), timeout=5.0)
    here = ("n3", *voters)
    for _ in range(20):
        for kind in (Prepare, Promise, BallotRefused, Accept, Accepted):
            table.deliver(kind, to=here, sender=here)
        table.now += 0.5
        table.do("n3", table.nodes["n3"].tick(table.now))


SCENARIOS: Final[list[Callable[[Table], None]]] = [
    two_accepted_values,
    a_forgotten_acceptance,
    a_counter_that_was_heard,
    an_era_that_was_forgotten,
    a_vote_after_the_seal,
    a_longer_log_than_that_of_who_forces,
    a_wiped_founder,
]


def run(number: int) -> Result:
    """Tell one scenario; nobody may have another value in a slot than somebody else."""
    result, table = Result(number), Table()
    try:
        SCENARIOS[number](table)
    except Forked as exc:
        result.violation = f"Forked: {exc}"
        return result
    logs = [table.slots(name) for name in table.nodes]
    longest = max(logs, key=len)
    if any(log != longest[: len(log)] for log in logs):
        result.violation = "two values in one slot"
    result.count("slots decided", len(longest))
    return result
