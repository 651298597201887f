"""The promises of `Look`: a transaction sees what is in the store, and what it has put itself."""

import random
from collections.abc import AsyncIterator, Callable

import pytest

from cluster.clock import HybridClock
from cluster.model import NodeId
from node.index import keys
from node.index.index import Index, open_index
from node.index.journal import Transaction
from node.index.rows import Look
from node.index.store import Mutation
from tests.builders import HandClock
from tests.fakes.ordered_store import MemoryStore

FAMILY = "tags"

Fill = Callable[[dict[bytes, bytes | None]], Look]


@pytest.fixture
async def index() -> AsyncIterator[Index]:
    clock = HandClock()
    opened = open_index(
        MemoryStore(), NodeId("a"), HybridClock(clock), clock, random.Random(1), lambda *_: None
    )
    yield opened
    opened.close()


@pytest.fixture(params=["store", "transaction on rows", "transaction with rows"])
def fill(request: pytest.FixtureRequest, index: Index) -> Fill:
    """Gives a look at rows, wherever it has them from."""

    def filled(rows: dict[bytes, bytes | None]) -> Look:
        store = index.journal.store
        match request.param:
            case "store":
                store.write([Mutation(FAMILY, key, value) for key, value in rows.items()])
                return index.metadata
            case "transaction on rows":
                store.write([Mutation(FAMILY, key, value) for key, value in rows.items()])
                return Transaction(index.journal)
            case _:
                store.write([Mutation(FAMILY, key, b"before") for key in rows])
                transaction = Transaction(index.journal)
                for key, value in rows.items():
                    transaction.put(FAMILY, key, value)
                return transaction

    return filled


def row(*parts: str) -> bytes:
    return keys.join(*parts)


async def test_a_row_is_there_or_not(fill: Fill):
    look = fill({row("a"): b"1", row("b"): None})
    assert [look.get(FAMILY, row(name)) for name in "abc"] == [b"1", None, None]


async def test_rows_under_a_prefix_come_in_order(fill: Fill):
    a, b, c, q = row("p", "a"), row("p", "b"), row("p", "c"), row("q", "a")
    look = fill({b: b"2", a: b"1", q: b"3", c: None})
    assert list(look.scan(FAMILY, row("p"))) == [(a, b"1"), (b, b"2")]
    assert list(look.scan(FAMILY, row("z"))) == []


async def test_the_first_one_is_one_that_is_there(fill: Fill):
    """Broken: a row that the same change has taken away is taken for one that is there."""
    a, b, c, q = row("p", "a"), row("p", "b"), row("p", "c"), row("q", "a")
    look = fill({a: None, b: b"2", c: b"3", q: None})
    assert look.first(FAMILY, row("p")) == (b, b"2")
    assert look.first(FAMILY, row("q")) is None
