"""The order of tags as versions."""

import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.desk.versions import version_rank

AS_SHOWN = (
    "latest 10 4.0 3 3.1 2 2.14 "
    "3.12.0 3.12.0rc2 3.12.0rc1 3.12.0b1 "
    "2.14.1 2.14.1-rc.10 2.14.1-rc.2 2.14.1-beta 2.14.1-alpha.1 2.14.1-alpha "
    "v2.14.0 2.13.10 2.13.9 2024.11.1-2 "
)

TAGS = st.text(string.ascii_letters + string.digits + "_", min_size=1, max_size=1).flatmap(
    lambda first: st.text(string.ascii_letters + string.digits + "_.-", max_size=20).map(
        lambda rest: first + rest
    )
)
VERSIONS = st.from_regex(r"\Av?[0-9]{1,3}(\.[0-9]{1,3}){0,3}(-(rc|alpha|beta)\.?[0-9]{0,2})?\Z")


def shown(*tags: str) -> list[str]:
    """In their order; the later ones were pushed later."""
    pushed = {tag: number for number, tag in enumerate(tags)}
    return sorted(tags, key=lambda tag: version_rank(tag, pushed[tag]), reverse=True)


@pytest.mark.parametrize("seed", range(5))
def test_versions_come_from_the_newest(seed: int):
    wanted = [tag for tag in AS_SHOWN.split() if not tag.startswith("2024")]
    mixed = random.Random(seed).sample(wanted, len(wanted))
    assert shown(*mixed) == wanted


@pytest.mark.parametrize(
    ("before", "behind"),
    [
        ("2.13.10", "2.13.9"),
        ("2.14.1-rc.10", "2.14.1-rc.2"),
        ("2.14.1", "2.14.1-rc.10"),
        ("1.10", "1.2"),
        ("latest", "99"),
        ("2", "2.14"),
        ("2.14", "2.14.1"),
        ("1.0.0-alpha.1", "1.0.0-alpha"),
        ("1.0.0-alpha.beta", "1.0.0-alpha.1"),
        ("2.14.1", "2-alpine"),
        ("2.14.1-alpine", "2.13.10"),
        ("2-alpine", "main"),
        ("0.1", "9f3ab12"),
        ("0.1", "20241130"),
        ("0.1", "20241130-9f3ab12"),
    ],
)
def test_which_of_two_comes_first(before: str, behind: str):
    assert shown(behind, before) == [before, behind]
    assert shown(before, behind) == [before, behind]


def test_what_is_no_version_comes_from_the_one_pushed_last():
    assert shown("pr-9", "sha-1", "9f3ab12", "20240101", "main") == [
        "main", "20240101", "9f3ab12", "sha-1", "pr-9",
    ]  # fmt: skip


@given(st.lists(st.tuples(TAGS | VERSIONS, st.integers(0, 3)), max_size=8))
def test_there_is_one_order_of_all_tags(tags: list[tuple[str, int]]):
    """Broken: a page goes on somewhere else than the one before has ended."""
    ranks = [version_rank(*each) for each in tags]
    for (one, _), of_one in zip(tags, ranks, strict=True):
        for (other, _), of_other in zip(tags, ranks, strict=True):
            assert (of_one < of_other) + (of_one == of_other) + (of_one > of_other) == 1
            if of_one == of_other:
                assert one == other
            for third in ranks:
                if of_one < of_other < third:
                    assert of_one < third


@given(st.lists(VERSIONS, unique=True, max_size=8), st.randoms())
def test_versions_do_not_depend_on_when_they_were_pushed(tags: list[str], chance: random.Random):
    wanted = shown(*tags)
    chance.shuffle(tags)
    plain = [tag for tag in wanted if "." in tag or len(tag) <= 4]
    assert [tag for tag in shown(*tags) if tag in plain] == plain


@given(st.text("0123456789", min_size=100, max_size=127))
def test_long_numbers_are_no_trouble(digits: str):
    assert version_rank(f"1.{digits}", 0) > version_rank("1.2.3", 0)
