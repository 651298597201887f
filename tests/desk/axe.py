"""axe-core: what of a page keeps people out who see, hear or move otherwise."""

from pathlib import Path
from typing import Any, Final

from tests.desk.chromium import Tab

PATH: Final = Path(__file__).parents[2] / ".tools" / "axe" / "axe.min.js"
"""Where `.ci/tools axe` puts it."""

RULES: Final = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")


def axe_source() -> str:
    """The program; empty where it is not installed."""
    return PATH.read_text() if PATH.exists() else ""


async def violations(tab: Tab) -> list[str]:
    """What axe finds in the page of *tab*, all that can be opened being open."""
    await tab.run("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    if await tab.run("typeof axe === 'undefined'"):
        await tab.run(axe_source() + ";1")
    found: dict[str, Any] = await tab.run(
        f"axe.run(document, {{runOnly: {list(RULES)!r}, resultTypes: ['violations']}})"
        ".then((r) => ({found: r.violations.map((v) => v.id + ': ' + v.help + ' at ' +"
        " v.nodes.map((n) => n.html.slice(0, 200)).join(' | ')), looked: r.passes.length}))"
    )
    assert found["looked"] > 5, "axe has looked at nothing"
    return list(found["found"])
