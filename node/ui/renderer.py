"""
Templates: from values to HTML. The only module that knows Jinja.

Whatever a template prints is escaped, and what nobody would see in it is written out: both are done
here, so that no template can forget them. A name that a page does not give is an error.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from node.ui import assets, sparks, text

TEMPLATES: Final = Path(__file__).parent / "templates"

KINDS: Final = frozenset({"ok", "warn", "bad", "move", "good", "accent"})
"""What is so, as classes have it: each with its colour."""


def shown(value: object) -> object:
    """A value as a template prints it, before it is escaped."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return text.visible(text.cut(value, text.TEXT_MAX))


def kind(value: object) -> str:
    """*value*, if it is the name of a kind; else `off`."""
    return str(value) if value in KINDS else "off"


@cache
def environment() -> Environment:
    """All templates, compiled. Made once in a process: it takes a tenth of a second."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals["asset"] = assets.path_of
    made.filters |= {
        "ago": text.ago,
        "bars": sparks.bars,
        "bytes": text.byte_count,
        "count": text.count,
        "cut": text.cut,
        "duration": text.duration,
        "exact": text.exact,
        "https_host": text.https_host,
        "iso": text.iso,
        "kind": kind,
        "line": text.line,
        "own": text.own,
        "percent": text.percent,
        "share": text.share,
        "slug": text.slug,
        "spark": sparks.spark,
    }
    for name in made.list_templates():
        made.get_template(name)
    return made


def render(template: str, values: Mapping[str, Any]) -> bytes:
    """The page that *template* makes of *values*."""
    return environment().get_template(template).render(values).encode()
