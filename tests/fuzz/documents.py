"""JSON as no library writes it: keys twice, odd numbers, escapes, depth, length."""

from typing import Any, Final

from hypothesis import strategies as st


class Pairs(list[tuple[str, Any]]):
    """An object whose keys may come twice."""


class Written(str):
    """A value that stands as it is written."""

    __slots__ = ()


def write(value: Any, *, gap: str = "") -> str:
    """As JSON, with *gap* between all of its tokens."""
    match value:
        case Written():
            return str(value)
        case str():
            return _quoted(value)
        case Pairs():
            inner = f"{gap},{gap}".join(
                f"{_quoted(k)}{gap}:{gap}{write(v, gap=gap)}" for k, v in value
            )
            return f"{{{gap}{inner}{gap}}}"
        case dict():
            return write(Pairs(value.items()), gap=gap)
        case list():
            return f"[{gap}{f'{gap},{gap}'.join(write(each, gap=gap) for each in value)}{gap}]"
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case _:
            return str(value)


def _quoted(text: str) -> str:
    escaped = "".join(f"\\u{ord(c):04x}" if c in '"\\' or c < " " else c for c in text)
    return f'"{escaped}"'


_ODD_NUMBERS: Final = ("-0", "1.0", "2.0", "2e0", "1e400", "-1", "9223372036854775807",
                       "9223372036854775808", "0x2", "02", "+2", "NaN", "9" * 5000,
                       "1" + "0" * 400)  # fmt: skip
_ODD_TEXTS: Final = (
    '"\\ud800"',
    '"\\u0000"',
    '"\ufeff"',
    '"a',
    '"\\x"',
    '""',
    '"\t"',
    "'a'",
    '"\\ud83d\\ude00"',
)

JUNK: Final[st.SearchStrategy[Any]] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-2, 3),
        st.text(max_size=4),
        st.sampled_from([Written(each) for each in (*_ODD_NUMBERS, *_ODD_TEXTS, "", "nul")]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(st.tuples(st.sampled_from(["a", "digest", "size", ""]), inner), max_size=3).map(
            Pairs
        ),
    ),
    max_leaves=6,
)


def places(value: Any) -> list[Any]:
    """All objects in *value*, the outermost first."""
    found = [value] if isinstance(value, Pairs) else []
    inner = [each for _, each in value] if isinstance(value, Pairs) else value
    if isinstance(inner, list):
        for each in inner:
            found += places(each)
    return found


def as_pairs(value: Any) -> Any:
    if isinstance(value, dict):
        return Pairs((key, as_pairs(each)) for key, each in value.items())
    return [as_pairs(each) for each in value] if isinstance(value, list) else value


@st.composite
def disturbed(draw: st.DrawFn, value: Any, most: int) -> Any:
    """*value* with up to *most* of its fields changed, doubled, renamed, left out or moved."""
    value = as_pairs(value)
    for _ in range(draw(st.integers(0, most))):
        place = draw(st.sampled_from(places(value)))
        at = draw(st.integers(0, max(0, len(place) - 1)))
        if not place:
            place.append((draw(st.text(max_size=3)), draw(JUNK)))
            continue
        key, inner = place[at]
        match draw(
            st.sampled_from(["junk", "double", "double junk", "case", "drop", "deep", "long"])
        ):
            case "junk":
                place[at] = key, draw(JUNK)
            case "double":
                place.insert(draw(st.integers(0, len(place))), (key, inner))
            case "double junk":
                other = draw(
                    st.sampled_from([key, key.upper(), key.title(), key.replace("s", "\u017f")])
                )
                place.insert(draw(st.integers(0, len(place))), (other, draw(JUNK)))
            case "case":
                place[at] = draw(st.sampled_from([key.upper(), key.capitalize(), f"{key} "])), inner
            case "drop":
                del place[at]
            case "deep":
                depth = draw(st.sampled_from([3, 28, 32, 33, 100, 100_000]))
                place[at] = key, Written("[" * depth + "]" * depth)
            case "long":
                place[at] = key, "a" * draw(st.sampled_from([255, 256, 5000]))
    return value
