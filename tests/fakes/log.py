"""A logger that remembers."""

from typing import Any, NamedTuple


class Line(NamedTuple):
    level: str
    event: str
    fields: dict[str, Any]


class MemoryLog:
    def __init__(self) -> None:
        self.lines: list[Line] = []

    def debug(self, event: str, **fields: object) -> None:
        self.lines.append(Line("debug", event, fields))

    def info(self, event: str, **fields: object) -> None:
        self.lines.append(Line("info", event, fields))

    def warning(self, event: str, **fields: object) -> None:
        self.lines.append(Line("warning", event, fields))

    def error(self, event: str, **fields: object) -> None:
        self.lines.append(Line("error", event, fields))

    def named(self, event: str) -> list[Line]:
        return [line for line in self.lines if line.event == event]
