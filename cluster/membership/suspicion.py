"""
How long a suspect has to contradict ("Lifeguard", section IV-B: LHA-Suspicion). Pure.

One accuser may be wrong, so the wait is long at first. Each further node that could not reach the
suspect either makes a mistake of the accuser less likely, and shortens it: with c of the k
confirmations that are looked for, the timeout is

    max - (max - min) * log(c + 1) / log(k + 1)          and min when c >= k
"""

import math
from dataclasses import dataclass


def timeout_s(confirmations: int, wanted: int, minimum_s: float, maximum_s: float) -> float:
    """The whole time from the accusation to the verdict, in seconds."""
    if confirmations >= wanted:
        return minimum_s
    share = math.log(confirmations + 1) / math.log(wanted + 1)
    return maximum_s - (maximum_s - minimum_s) * share


def confirmations_wanted(members: int, confirmations_max: int) -> int:
    """
    How many confirmations to look for where *members* are watched, the suspect included.

    With its accuser they make a majority of those who can watch it: in a region of three both
    others, in one of five three of four. A node alone with the suspect can wait for nobody.
    """
    return min(confirmations_max, max(0, members - 1) // 2)


@dataclass(slots=True)
class Suspicion:
    """One suspect, in one of its incarnations, as this node waits for its answer."""

    incarnation: int
    since: float
