"""
The stylesheet, the script and the icon: under names that change with what is in them.

So a browser may keep each of them for ever, and never has an old one. Compressed once, as there are
no secrets in them; pages are not: what a stranger can put into a page, beside the secret of its
forms, would tell that by the length of both.
"""

import gzip
import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

STATIC: Final = Path(__file__).parent / "static"

BELOW: Final = "/ui/static/"

_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

_HASH: Final = 12


class Asset(NamedTuple):
    """A file that pages use."""

    name: str
    """With a part of its hash."""

    content_type: str
    body: bytes
    compressed: bytes


def path_of(name: str) -> str:
    """The address of a file below `static/`."""
    return f"{BELOW}{_by_file()[name].name}"


def asset_at(name: str) -> Asset | None:
    """What is at the address that ends with *name*; None: nothing, or no more."""
    return _by_name().get(name)


@cache
def _by_file() -> Mapping[str, Asset]:
    found = {}
    for path in sorted(STATIC.iterdir()):
        if path.suffix not in _TYPES:
            continue
        body = path.read_bytes()
        mark = hashlib.sha256(body).hexdigest()[:_HASH]
        name = f"{path.stem}.{mark}{path.suffix}"
        packed = gzip.compress(body, 9, mtime=0)
        found[path.name] = Asset(name, _TYPES[path.suffix], body, packed)
    return found


@cache
def _by_name() -> Mapping[str, Asset]:
    return {asset.name: asset for asset in _by_file().values()}
