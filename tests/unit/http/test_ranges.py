"""Byte ranges by RFC 9110 §14: what a Range field selects, and what it may cost."""

import pytest

from node.errors import RangeNotSatisfiable, TooManyRanges
from node.http import ranges
from node.http.limits import RANGES
from node.http.ranges import Part, Selection


def spans(selection: Selection) -> list[tuple[int, int]]:
    return [(part.offset, part.length) for part in selection.parts]


@pytest.mark.parametrize(
    ("field", "size", "expected"),
    [
        ("bytes=0-", 10, (0, 10)),
        ("bytes=0-0", 10, (0, 1)),
        ("bytes=3-5", 10, (3, 3)),
        ("bytes=3-99", 10, (3, 7)),
        ("bytes=-4", 10, (6, 4)),
        ("bytes=-40", 10, (0, 10)),
        ("BYTES = 1-2", 10, (1, 2)),
        ("bytes=,1-2 ,", 10, (1, 2)),
        ("bytes=1-2,50-60", 10, (1, 2)),
        ("bytes=50-60,-0,8-", 10, (8, 2)),
    ],
)
def test_one_range_is_sent_as_it_is(field: str, size: int, expected: tuple[int, int]):
    """Broken: whoever asks for one range gets other bytes, or a multipart body it cannot read."""
    offset, length = expected
    selection = ranges.select(field, size)
    assert (selection.status, selection.tail, selection.length) == (206, b"", length)
    assert selection.parts == (Part(b"", offset, length),)
    assert selection.fields == {"Content-Range": f"bytes {offset}-{offset + length - 1}/{size}"}


@pytest.mark.parametrize("field", [None, "lines=0-1", "items=0-1,3-4"])
def test_without_a_range_that_counts_the_blob_is_whole(field: str | None):
    assert ranges.select(field, 10) == Selection(200, {}, (Part(b"", 0, 10),), b"", 10)


@pytest.mark.parametrize(
    "field", ["bytes=0-", "bytes=0-0", "bytes=5-9", "bytes=-1", "bytes=-0", "bytes=0-1,5-"]
)
def test_of_an_empty_blob_everything_is_asked_for(field: str):
    """Broken: clients that send a range with every request cannot pull an empty layer (416)."""
    assert ranges.select(field, 0) == Selection(200, {}, (Part(b"", 0, 0),), b"", 0)


@pytest.mark.parametrize(
    ("field", "size"),
    [("bytes=10-", 10), ("bytes=5-4", 10), ("bytes=-0", 10), ("bytes=-", 10), ("bytes=a-b", 10),
     ("bytes=", 10), ("bytes=,", 10), ("bytes=1-2-3", 10), ("bytes=0x1-2", 10), ("bytes=-", 0),
     ("bytes=" + "9" * 400 + "-", 10), ("bytes=\u0661-2", 10), ("bytes=10-,11-12", 10),
     ("bytes=0-1,x", 10), ("bytes=0-1,5-4", 10), ("bytes=a", 0)],
)  # fmt: skip
def test_ranges_outside(field: str, size: int):
    with pytest.raises(RangeNotSatisfiable):
        ranges.select(field, size)


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("0-1,5-6", [(0, 2), (5, 2)]),
        ("5-6,0-1", [(5, 2), (0, 2)]),
        ("0-1,2-3", [(0, 2), (2, 2)]),
        ("0-5,3-8", [(0, 9)]),
        ("50-59,3-8,0-5,90-", [(50, 10), (0, 9), (90, 10)]),
        ("0-,5-6", [(0, 100)]),
        ("7-7,7-7,7-7", [(7, 1)]),
        ("0-9,5-14,10-19,30-30", [(0, 20), (30, 1)]),
        ("-10,80-95", [(80, 20)]),
        ("0-1,200-300,5-6", [(0, 2), (5, 2)]),
    ],
)
def test_overlapping_ranges_are_joined_and_the_order_stays(
    field: str, expected: list[tuple[int, int]]
):
    """Broken: a byte is sent as often as a request names it, or a client takes parts for others."""
    assert spans(ranges.select(f"bytes={field}", 100)) == expected


def test_several_ranges_make_a_multipart_body():
    selection = ranges.select("bytes=0-1,5-6", 10)
    _, _, boundary = selection.fields["Content-Type"].partition("; boundary=")
    kind = "Content-Type: application/octet-stream"
    assert selection.status == 206
    assert selection.fields == {"Content-Type": f"multipart/byteranges; boundary={boundary}"}
    assert [part.head.decode() for part in selection.parts] == [
        f"--{boundary}\r\n{kind}\r\nContent-Range: bytes 0-1/10\r\n\r\n",
        f"\r\n--{boundary}\r\n{kind}\r\nContent-Range: bytes 5-6/10\r\n\r\n",
    ]
    assert selection.tail.decode() == f"\r\n--{boundary}--\r\n"
    heads = sum(len(part.head) for part in selection.parts)
    assert selection.length == heads + 4 + len(selection.tail)
    assert ranges.select("bytes=0-1,5-6", 10).fields != selection.fields, "a blob can hold it"


def test_the_number_of_ranges_is_bounded():
    """Broken: one request makes a node read and send a million pieces."""
    many = [f"{number * 4}-{number * 4}" for number in range(RANGES.number + 1)]
    assert len(ranges.select("bytes=" + ",".join(many[:-1]), 1 << 20).parts) == RANGES.number
    for field in (",".join(many), ",".join(["0-0"] * (RANGES.number + 1))):
        with pytest.raises(TooManyRanges):
            ranges.select("bytes=" + field, 1 << 20)


def test_whatever_is_asked_the_answer_is_no_larger_than_the_blob_and_its_heads():
    """Broken: overlapping ranges make a small request move many times the blob."""
    size = 1 << 30
    for field in (
        ",".join(["0-"] * RANGES.number),
        ",".join(f"{number}-" for number in range(RANGES.number)),
        ",".join(f"{number * 1000}-{number * 1000 + 999}" for number in range(RANGES.number)),
    ):
        selection = ranges.select("bytes=" + field, size)
        assert sum(part.length for part in selection.parts) <= size
        assert selection.length <= size + 200 * RANGES.number
