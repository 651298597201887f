"""
Templates: from values to HTML. The only module that knows Jinja.

Whatever a template prints is escaped, and what nobody would see in it is written out: both are done
here, so that no template can forget them. A name that a page does not give is an error.
"""

import contextlib
import hashlib
import pickle
import sys
from collections.abc import Mapping
from functools import cache
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemBytecodeCache, FileSystemLoader, StrictUndefined
from jinja2.bccache import Bucket
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


class _ByteCode(FileSystemBytecodeCache):
    """Compiled templates, kept as Python keeps its modules: where that may be written."""

    def load_bytecode(self, bucket: Bucket) -> None:
        try:
            super().load_bytecode(bucket)
        except (EOFError, TypeError, ValueError, pickle.UnpicklingError):
            bucket.reset()  # Written in part, when the power went.

    def dump_bytecode(self, bucket: Bucket) -> None:
        with contextlib.suppress(OSError):
            Path(self.directory).mkdir(exist_ok=True)
            super().dump_bytecode(bucket)


def _byte_code(directory: Path) -> _ByteCode:
    # Filters of constants are worked out by the compiler: with other filters it is other code.
    sources = (Path(module) for module in (__file__, sparks.__file__, text.__file__))
    filters = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]
    return _ByteCode(str(directory), f"templates-{filters}-%s.cache")


@cache
def environment() -> Environment:
    """
    All templates, compiled. Made once in a process.

    To compile them takes a second or two, which nobody should wait for who starts a node again.
    """
    return compiled(None if sys.dont_write_bytecode else Path(cache_from_source(__file__)).parent)


def compiled(kept_in: Path | None) -> Environment:
    """All templates; what is compiled of them is kept in the directory *kept_in*, if it can be."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        bytecode_cache=None if kept_in is None else _byte_code(kept_in),
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
