"""The reference registry against the table of answers that Atoll is held to."""

import io
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import NamedTuple

import aiohttp
import pytest
from yarl import URL

from tests.api.reference import ROWS, Call, Row, check, prepare
from tests.e2e.distribution import VERSION_3, distribution, find_program

pytestmark = pytest.mark.e2e


class Answer(NamedTuple):
    status: int
    headers: "aiohttp.typedefs.CIMultiDictProxy[str]"
    body: bytes


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    program = find_program(VERSION_3)
    assert program is not None, "the reference registry is missing; .ci/tools installs it"
    directory: Path = tmp_path_factory.mktemp("distribution")
    with distribution(program, directory / "registry") as running:
        yield running


@pytest.fixture
async def call(address: str) -> AsyncIterator[Call]:
    async with aiohttp.ClientSession(auto_decompress=False) as session:

        async def send(
            method: str,
            path: str,
            *,
            data: bytes | None = None,
            headers: dict[str, str] | None = None,
        ) -> Answer:
            url = URL(f"http://{address}{path}", encoded=True)
            body = None if data is None else io.BytesIO(data)
            async with session.request(
                method, url, data=body, headers=headers, allow_redirects=False
            ) as answer:
                return Answer(answer.status, answer.headers, await answer.read())

        yield send


@pytest.fixture(scope="module")
def prepared() -> set[str]:
    """The addresses where everything is pushed already: a second push would change nothing."""
    return set()


@pytest.mark.parametrize("row", ROWS, ids=str)
async def test_the_reference_answers_as_the_table_says(
    call: Call, address: str, prepared: set[str], row: Row
):
    """Broken: Atoll is compared with something that the reference registry does not do."""
    if address not in prepared:
        await prepare(call)
        prepared.add(address)
    await check(call, row, row.reference or row.atoll)
