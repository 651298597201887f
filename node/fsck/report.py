"""What a check finds."""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple


class Problem(NamedTuple):
    """Something that must not be. *where* names the object, *what* says what is wrong with it."""

    where: str
    what: str


@dataclass(slots=True)
class Report:
    """
    The outcome: problems, and notes of what is worth knowing but in order.

    Examples of notes: a blob file that no row names yet, a tag whose manifest was deleted.
    """

    problems: list[Problem] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)
    checked: Counter[str] = field(default_factory=Counter)

    def problem(self, where: str, what: str) -> None:
        self.problems.append(Problem(where, what))

    def note(self, what: str) -> None:
        self.notes[what] += 1
