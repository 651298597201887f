"""The table of actions in docs/security.md."""

import re
from collections import defaultdict
from pathlib import Path

from node.identity.actions import RULES, Reach, Role

PAGE = Path(__file__).resolve().parents[3] / "docs" / "security.md"


def table() -> str:
    """The rows: where a role has to be held, which, and for what."""
    found: dict[tuple[Reach, Role], list[str]] = defaultdict(list)
    for action, rule in RULES.items():
        if rule.reach in (Reach.REPOSITORY, Reach.PROJECT, Reach.CLUSTER):
            found[rule.reach, rule.role].append(f"`{action}`")
    order = list(Reach)
    rows = sorted(found, key=lambda each: (order.index(each[0]), each[1]))
    return "".join(
        f"| {reach} | {role.name.lower()} | {', '.join(found[reach, role])} |\n"
        for reach, role in rows
    )


def test_the_page_has_every_action():
    """Broken: `atoll auth why` is asked for actions that there are not."""
    written = re.search(r"<!-- actions -->\n.*\n\|---.*\n((?:\|.*\n)*)<!-- end", PAGE.read_text())
    assert written is not None
    assert written[1] == table(), f"docs/security.md should have\n{table()}"
