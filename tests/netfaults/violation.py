"""A promise that was broken, and what shows it."""

from dataclasses import dataclass

from tests.netfaults.history import Op


@dataclass(frozen=True)
class Violation:
    """A promise that was broken, and the operations that show it."""

    rule: str
    ops: tuple[Op, ...]
    text: str = ""

    def __str__(self) -> str:
        return "\n  ".join([f"{self.rule}: {self.text}", *map(str, self.ops)])
