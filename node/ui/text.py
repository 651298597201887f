"""Text as people are to see it: numbers, times, and what strangers wrote."""

import math
import re
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

TEXT_MAX: Final = 4096
"""Characters of one value on a page, whatever it is. Longer ones are cut where they are drawn."""

SPACE: Final = "\N{NO-BREAK SPACE}"
"""Between a number and its unit: neither stands alone at the end of a line."""

CUT: Final = "\N{HORIZONTAL ELLIPSIS}"

# What is seen as nothing, or makes something else seen: control and format characters, bidi marks
# among them, separators of lines, surrogates, private use. Tab and line feed are spaces.
_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2"
    "\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff"
    "\ue000-\uf8ff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff\U000110bd\U000110cd\U00013430-\U0001343f"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff\U000f0000-\U0010ffff]"
)

_BYTES: Final = ("B", "KB", "MB", "GB", "TB", "PB", "EB")
_STEP: Final = 1000
_RELATIVE_S: Final = 30 * 86_400.0


def visible(text: str) -> str:
    """*text* with the characters that nobody sees written out: `\\u202e`."""
    return _UNSEEN.sub(_written_out, text)


def _written_out(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def cut(text: object, most: int = 200) -> str:
    """At most *most* characters of it, with a sign where it goes on."""
    whole, bound = str(text), int(most)
    return whole if len(whole) <= bound else whole[: max(0, bound - 1)] + CUT


def line(text: object) -> str:
    """*text* in one line: what is copied into a terminal ends where it seems to end."""
    return " ".join(str(text).split())


def byte_count(number: float) -> str:
    """A number of bytes in decimal units, as `docker` prints them, with 3 digits at the most."""
    value, unit = float(number), 0
    while abs(value) >= _STEP and unit < len(_BYTES) - 1:
        value, unit = value / _STEP, unit + 1
    if unit and round(abs(value)) >= _STEP and unit < len(_BYTES) - 1:
        value, unit = value / _STEP, unit + 1
    return f"{_three(value) if unit else f'{value:.0f}'}{SPACE}{_BYTES[unit]}"


def count(number: float) -> str:
    """A whole number with its thousands marked."""
    return f"{round(float(number)):,}"


def share(part: float, whole: float) -> str:
    """How much of *whole* that is, in percent; of nothing, nothing."""
    return f"{0 if not whole else round(100 * float(part) / float(whole))}{SPACE}%"


def duration(seconds: float) -> str:
    """A time that passed, or will: the largest unit of it."""
    value = abs(float(seconds))
    if value < 1:
        return f"{round(value * 1000)}{SPACE}ms"
    if value < 10:
        return f"{value:.1f}{SPACE}s".replace(".0", "")
    for most, unit, of in ((120, "s", 1), (7200, "min", 60), (172_800, "h", 3600)):
        if value < most:
            return f"{value / of:.0f}{SPACE}{unit}"
    return f"{value / 86_400:,.0f}{SPACE}days"


def ago(at: float, now: float) -> str:
    """How long before *now*, both in seconds since 1970; the day, where that is long ago."""
    passed = float(now) - float(at)
    if passed > _RELATIVE_S:
        return moment(at).strftime("%-d %b %Y")
    if passed < -1:
        return f"in {duration(passed)}"
    return "just now" if passed < 1 else f"{duration(passed)} ago"


def iso(at: float) -> str:
    """A time as `<time datetime=...>` has it."""
    return moment(at).isoformat(timespec="seconds").replace("+00:00", "Z")


def exact(at: float) -> str:
    """A time for people, to the second."""
    return moment(at).strftime("%Y-%m-%d %H:%M:%S UTC")


def moment(at: float) -> datetime:
    """A time in seconds since 1970; what no calendar has is the nearest that one has."""
    value = float(at)
    return datetime.fromtimestamp(
        min(max(value, 0.0), 253_402_300_799.0) if value == value else 0.0, UTC
    )


def https_host(url: object) -> str:
    """The host of a link that may be offered; empty where *url* is none, or not by `https:`."""
    text = str(url)
    if len(text) > TEXT_MAX or _UNSEEN.search(text) or any(sign in text for sign in ' \t\n\\"<>`'):
        return ""
    try:
        found = urlsplit(text)
        host, name = found.hostname, found.username
    except ValueError:
        return ""
    return "" if found.scheme != "https" or not host or name is not None else host


_SAFE: Final = r"[!#-&(-;=?-\[\]_a-z{-~]*"
"""What may stand in such an address as it is: no space, quote, backslash or bracket of markup."""

_OWN: Final = re.compile(rf"/ui(?:[/?#]{_SAFE})?|#[\w.-]*|\?{_SAFE}", re.ASCII)
"""A path of a page with what may follow it, a part of the same page, or another query of it."""


def own(address: object) -> str:
    """*address*, if it is one of a page of ours; else that of the first page."""
    text = str(address)
    return text if _OWN.fullmatch(text) else "/ui/"


def slug(text: object) -> str:
    """*text* as an id or a class: letters, digits, dashes, underscores."""
    return re.sub(r"[^a-z0-9_]+", "-", str(text)[:64].lower()).strip("-") or "x"


def percent(number: float) -> int:
    """A share from 0 to 100."""
    value = float(number)
    return 0 if math.isnan(value) else round(min(100.0, max(0.0, value)))


def _three(value: float) -> str:
    """With 3 digits at the most."""
    size = abs(value)
    digits = 2 if size < 9.995 else 1 if size < 99.95 else 0
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
