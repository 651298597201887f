"""The colours of the stylesheet, as far as somebody has to tell them apart."""

import re
from typing import Final

import pytest

from node.ui.assets import STATIC

TEXT: Final = 4.5
"""WCAG 2.2, 1.4.3: text."""

EDGE: Final = 3.0
"""1.4.11: edges of controls, and what draws a state."""

PAIRS: Final = (
    ("text", ("surface", "bg", "sunken", "sea", "land"), TEXT),
    ("muted", ("surface", "bg", "sunken", "sea"), TEXT),
    ("accent", ("surface", "bg", "sunken", "accent-weak", "sea"), TEXT),
    ("on-accent", ("accent",), TEXT),
    ("good", ("surface", "good-weak", "bg"), TEXT),
    ("warn", ("surface", "warn-weak", "sea", "bg"), TEXT),
    ("bad", ("surface", "bad-weak", "bg"), TEXT),
    ("line-strong", ("surface", "bg"), EDGE),
    ("bg", ("text",), TEXT),
)

TOKENS: Final = {
    name: (light, dark)
    for name, light, dark in re.findall(
        r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);",
        (STATIC / "style.css").read_text(),
    )
}


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    lower, higher = sorted((luminance(one), luminance(other)))
    return (higher + 0.05) / (lower + 0.05)


def test_black_and_white_are_known():
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)


def test_each_token_is_looked_at():
    """Broken: a colour is added, and nobody has looked whether it can be read."""
    looked = {name for front, behind, _ in PAIRS for name in (front, *behind)}
    only_drawn = {"line", "sea-line"}  # lines between things that words and space part as well
    assert looked | only_drawn == set(TOKENS)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("front", "behind", "least"),
    [(front, each, least) for front, behind, least in PAIRS for each in behind],
)
def test_it_can_be_read(front: str, behind: str, least: float, theme: int):
    found = contrast(TOKENS[front][theme], TOKENS[behind][theme])
    assert found >= least, f"{front} on {behind}: {found:.2f}"


def test_there_is_no_other_colour():
    """Broken: a colour is written where it is used, and has no dark twin."""
    text = (STATIC / "style.css").read_text()
    defined = re.sub(r"--[\w-]+: light-dark\([^)]*\);", "", text)
    assert not re.findall(r"#[0-9a-fA-F]{3,8}\b(?![^{]*\{)", defined)
    assert "rgb(" not in defined
    assert "url(" not in text, "nothing is fetched"
