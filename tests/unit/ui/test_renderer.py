"""What is compiled of the templates is kept."""

from pathlib import Path

import pytest
from jinja2 import Environment

from node.ui.renderer import compiled


def test_a_node_that_starts_again_compiles_no_template(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken: each start of a node takes a second or two more."""
    first = compiled(tmp_path)
    assert len(list(tmp_path.iterdir())) == len(first.list_templates())

    def compile_again(*_: object, **__: object) -> None:
        pytest.fail("a template was compiled again")

    monkeypatch.setattr(Environment, "compile", compile_again)
    again = compiled(tmp_path)
    assert again.get_template("left.html").name == "left.html"


def test_who_may_not_write_compiles_each_time(tmp_path: Path) -> None:
    """Broken: a node in an image that nobody may write to does not start."""
    nowhere = tmp_path / "missing" / "too"
    assert compiled(nowhere).get_template("left.html").name == "left.html"
    assert not nowhere.exists()
    assert compiled(None).get_template("left.html").name == "left.html"


def test_what_was_kept_in_part_is_compiled_again(tmp_path: Path) -> None:
    """Broken: a power cut while a template was kept, and the node does not start any more."""
    compiled(tmp_path)
    for kept in tmp_path.iterdir():
        kept.write_bytes(kept.read_bytes()[:40])
    assert compiled(tmp_path).get_template("left.html").name == "left.html"
