"""
What the commands exit with. A script goes by the number, a person by the line on standard error.

Most have the three that `ORDINARY` tells; a command of which one means something else is in
`MEANINGS`, by its words. `docs/commands.md` shows both, and a test walks all commands.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

DONE: Final = 0
FAILED: Final = 1
UNUSABLE: Final = 2
"""The command line or the settings; the shell's convention for wrong usage, and Typer's."""

LEFT: Final = 3
CRITICAL: Final = 3

INTERRUPTED: Final = 130
"""By Ctrl-C, as shells count: of every command that does not take it for the end of its work."""

ORDINARY: Final[Mapping[int, str]] = MappingProxyType(
    {
        DONE: "done",
        FAILED: "not done, or not known to be",
        UNUSABLE: "the command line cannot be used",
    }
)

_SETTINGS: Final = "the command line or the settings cannot be used"
_UNKNOWN: Final = "it cannot be told; or the command line cannot be used"

MEANINGS: Final[Mapping[str, Mapping[int, str]]] = MappingProxyType(
    {
        "up": {
            DONE: "told to stop, and stopped",
            FAILED: "a node did not start, or did not become ready",
            UNUSABLE: _SETTINGS,
        },
        "status": {
            DONE: "all is well",
            FAILED: "a person should look at something",
            UNUSABLE: _UNKNOWN,
        },
        "doctor": {
            DONE: "nothing, or notices only",
            FAILED: "warnings: a person should look",
            UNUSABLE: _UNKNOWN,
            CRITICAL: "something is critical: requests are refused, or data are at stake",
        },
        "work": {
            DONE: "all that goes on goes",
            FAILED: "something stalled",
            UNUSABLE: _UNKNOWN,
        },
        "node safe-to-stop": {
            DONE: "it may be stopped for a while",
            FAILED: "it should not be",
            UNUSABLE: _UNKNOWN,
        },
        "node safe-to-remove": {
            DONE: "it may go",
            FAILED: "it may not",
            UNUSABLE: _UNKNOWN,
        },
        "auth why": {DONE: "they may", FAILED: "they may not", UNUSABLE: _UNKNOWN},
        "wait": {
            DONE: "it is there",
            FAILED: "it is not known to be there in time",
            UNUSABLE: ORDINARY[UNUSABLE],
        },
        "serve": {
            DONE: "told to stop or to leave, and stopped",
            FAILED: "it cannot start, or had to end",
            UNUSABLE: _SETTINGS,
            LEFT: "its directory has left the cluster: no use to start it again",
        },
        "config": {**ORDINARY, UNUSABLE: _SETTINGS},
        "fsck": {
            DONE: "no problems",
            FAILED: "problems",
            UNUSABLE: "it cannot be checked; or the command line cannot be used",
        },
        "salvage": {
            DONE: "nothing is left to do",
            FAILED: "something is",
            UNUSABLE: _UNKNOWN,
        },
    }
)


def exits_of(command: str) -> Mapping[int, str]:
    """Each exit status of *command*, such as `node add`, and what it means."""
    return MEANINGS.get(command, ORDINARY)
