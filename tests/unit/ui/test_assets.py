"""Files of pages, under names that say what is in them."""

import gzip
import re

import pytest

from node.ui import assets

FILES = sorted(path.name for path in assets.STATIC.iterdir())


def test_the_files_are_those_that_pages_need():
    assert FILES == ["icon.svg", "script.js", "style.css"]


@pytest.mark.parametrize("name", FILES)
def test_a_name_changes_with_what_is_in_it(name: str):
    path = assets.path_of(name)
    found = assets.asset_at(path.removeprefix(assets.BELOW))
    assert found is not None
    assert found.body == (assets.STATIC / name).read_bytes()
    assert gzip.decompress(found.compressed) == found.body
    assert re.fullmatch(r"/ui/static/\w+\.[0-9a-f]{12}\.\w+", path)


@pytest.mark.parametrize("name", ["", "style.css", "../text.py", "style.000000000000.css"])
def test_nothing_else_is_there(name: str):
    assert assets.asset_at(name) is None


def test_they_stay_small():
    """Broken: a page takes longer over a slow line than its registry does."""
    sizes = {name: len(assets.asset_at(assets.path_of(name).removeprefix(assets.BELOW)).compressed)
             for name in FILES}  # fmt: skip
    assert sizes["style.css"] < 10_000
    assert sizes["script.js"] < 4_000
