"""Every macro of every template, given hostile text in each of its arguments: it is shown, and does
nothing."""

import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
from jinja2 import UndefinedError
from markupsafe import Markup

from node.ui.renderer import TEMPLATES, environment
from tests.api.pages.browser import check_harmless

WORDS: Final = (
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "https://evil.example/\u202egpj.exe",
    "data:text/html;base64,PHNjcmlwdD4=",
    "<!--<svg onload=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "&lt;b&gt;&#x3c;",
    "\u202e\u2066right to left\u2069",
    "a\x00b\x1b[2J\r\nX-Injected: 1",
    "\ud800 lone",
    "x" * 9000,
)


class Hostile(str):
    """A text that is whatever a template takes it for: a number, a list, a record."""

    __slots__ = ()

    def __iter__(self) -> Iterator[Any]:
        return iter([Hostile(str(self)[:200]), Hostile(str(self)[:200])])

    def __getattribute__(self, name: str) -> Any:
        # Whatever it is asked for, methods of texts among it: `item.title` is a field of a record.
        return str.__getattribute__(self, name) if name.startswith("_") else Hostile(str(self))

    def __float__(self) -> float:
        return 12.5

    def __int__(self) -> int:
        return 12

    def __bool__(self) -> bool:
        return True


def parts() -> list[str]:
    return sorted(f"parts/{path.name}" for path in (TEMPLATES / "parts").glob("*.html"))


def macros() -> list[tuple[str, str]]:
    """All that there are, found in what the templates say."""
    found = []
    for part in parts():
        source = (TEMPLATES / part).read_text()
        names = re.findall(r"{%-?\s*macro\s+(\w+)", source)
        found += [(part, name) for name in names]
    return found


def macro_of(part: str, name: str) -> Any:
    return getattr(environment().get_template(part).module, name)


def test_there_are_macros():
    assert len(macros()) >= 25
    assert len({name for _, name in macros()}) == len(macros()), "a name twice"


@pytest.mark.parametrize("word", WORDS, ids=range(len(WORDS)))
@pytest.mark.parametrize(("part", "name"), macros())
def test_what_strangers_write_is_shown_and_does_nothing(part: str, name: str, word: str):
    macro = macro_of(part, name)
    given: dict[str, Any] = {each: Hostile(word) for each in macro.arguments}
    if macro.caller:
        given["caller"] = lambda: Markup("<b>inside</b>")
    drawn = str(macro(**given))
    assert "<script" not in drawn
    assert "\u202e" not in drawn
    assert "\x00" not in drawn
    check_harmless(whole(part, name, drawn))


def whole(part: str, name: str, drawn: str) -> str:
    """What *name* draws, in what belongs around it."""
    around = {
        "heads": ("", "</tbody></table>"),
        "row": ("<table><tbody>", "</tr></tbody></table>"),
        "end": ("<table><tbody>", ""),
    }
    before, behind = around.get(name, ("", ""))
    once = before + drawn + behind
    # What comes of one text twice is the same id twice: that is the caller's.
    return re.sub(r' id="[^"]*"', "", once)


@pytest.mark.parametrize(("part", "name"), macros())
def test_a_part_has_what_it_needs_in_its_arguments(part: str, name: str):
    """Broken: a part draws something that only some pages have, and fails on others."""
    macro = macro_of(part, name)
    assert not macro.catch_kwargs
    assert not macro.catch_varargs
    source = (TEMPLATES / part).read_text()
    assert "|safe" not in source.replace(" ", "")
    assert "Markup" not in source


def test_what_a_page_does_not_give_is_an_error():
    """Broken: a name that is spelled wrongly is an empty place, for ever."""
    with pytest.raises(UndefinedError):
        environment().from_string("{{ missing }}").render()
    with pytest.raises(UndefinedError):
        environment().from_string("{{ there.missing }}").render(there=1)


def test_all_is_escaped():
    made = environment().from_string('<a title="{{ x }}">{{ x }}</a>').render(x='<b>"&\u202e')
    assert made == '<a title="&lt;b&gt;&#34;&amp;\\u202e">&lt;b&gt;&#34;&amp;\\u202e</a>'


@pytest.mark.parametrize(
    "source", sorted(TEMPLATES.rglob("*.html")), ids=lambda path: str(path.name)
)
def test_no_template_goes_around_the_rules(source):
    text = source.read_text()
    assert not re.search(r"\|\s*safe|autoescape|Markup|\bstyle=|\son\w+=|javascript:", text)
    written = re.compile(r'<[a-z][^<]*?\b(?:href|action|src)="((?:\{\{.*?\}\}|[^"{])*)"')
    for found in written.findall(text):
        own = found.startswith(("/ui", "#")) or "| own" in found or "asset(" in found
        assert own or source.name == "link.html", f"{found} may lead anywhere"
