"""Values that are kept in order."""

from hypothesis import given
from hypothesis import strategies as st

from node.desk.ordered import CHUNK_MAX, Ordered


class Numbered:
    def __init__(self, number: int) -> None:
        self.number = number


def numbers(of: "Ordered[Numbered]", behind: int | None = None) -> list[int]:
    return [value.number for value in of.behind(behind)]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 30)), max_size=60), st.integers(-1, 31))
def test_what_is_in_it_is_what_was_put_there(steps: list[tuple[bool, int]], behind: int):
    kept, model = Ordered[Numbered](lambda value: value.number), dict[int, Numbered]()
    for adds, number in steps:
        if adds and number not in model:
            model[number] = Numbered(number)
            kept.add(model[number])
        elif not adds and number in model:
            kept.remove(model.pop(number))
    assert numbers(kept) == sorted(model)
    assert numbers(kept, behind) == [number for number in sorted(model) if number > behind]


def test_it_is_kept_in_chunks():
    """Broken: who adds to many moves all of them."""
    kept, values = Ordered[Numbered](lambda value: value.number), [*map(Numbered, range(5000))]
    for value in (*values[::2], *reversed(values[1::2])):
        kept.add(value)
    assert numbers(kept) == [*range(5000)]
    assert max(map(len, kept._chunks)) <= CHUNK_MAX
    for value in values[100:4900]:
        kept.remove(value)
    assert numbers(kept, 98) == [99, *range(4900, 5000)]
