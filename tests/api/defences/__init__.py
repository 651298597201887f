"""
The defences of the log-in, each as a check that fails without it: the rows of the list of what went
wrong in other registries that are about identity, tokens, verbs, uploads, lists and foreign
content.
"""

from typing import Final

from tests.api.defences import lists, secrets, sight, tokens
from tests.api.defences.checks import Check

DEFENCES: Final[dict[str, Check]] = {
    check.__name__: check for room in (sight, lists, tokens, secrets) for check in room.CHECKS
}
"""By their names."""
