"""A PUT of a manifest through the code, as docs/ARCHITECTURE.md has it, which parses it once."""

import asyncio
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import CodeType

import msgspec
import pytest

from node.index.journal import Transaction
from node.index.rocks import RocksStore
from node.index.store import Change
from node.oci import manifests as oci_manifests
from node.registry import manifests, media_types
from node.registry.media_types import OCI_INDEX, OCI_MANIFEST
from tests.api.conftest import Registry, image
from tests.builders import an_index, descriptor, encoded

ROOT = Path(__file__).parents[2]

ROOMS_MAX = 9
"""Ten were too many."""


def documented() -> list[str]:
    text = (ROOT / "docs/ARCHITECTURE.md").read_text()
    walk = text.partition("\n**The same, room by room.**")[2].partition("\n\n**")[0]
    return re.findall(r"^\d+\. `([\w/.]+)`", walk, re.MULTILINE)


def room(code: CodeType) -> str | None:
    """The file of ours that *code* is of."""
    path = Path(code.co_filename)
    inside = path.is_relative_to(ROOT / "node") or path.is_relative_to(ROOT / "cluster")
    return str(path.relative_to(ROOT)) if inside else None


def awaited(task: asyncio.Task[object]) -> Iterator[CodeType]:
    """What *task* is in, the outermost first."""
    inner: object = task.get_coro()
    while inner is not None:
        code = getattr(inner, "cr_code", None)
        if code is not None:
            yield code
        inner = getattr(inner, "cr_await", None)


def called() -> list[CodeType]:
    """What the caller is in, the outermost first."""
    frame, found = sys._getframe(1), []
    while frame is not None:
        found.append(frame.f_code)
        frame = frame.f_back
    return found[::-1]


async def test_the_walk_is_the_documented_one(registry: Registry, monkeypatch: pytest.MonkeyPatch):
    """Broken: who wants to know where something is done reads of another way, or of no way."""
    endpoint = oci_manifests.write.__code__
    handling: list[CodeType] = []
    writing: list[CodeType] = []
    put = Transaction.put
    loop = asyncio.get_running_loop()

    def noting(self: Transaction, family: str, key: bytes, value: bytes) -> None:
        if family == "manifest_bytes":
            tasks = (list(awaited(task)) for task in asyncio.all_tasks(loop))
            [request] = (codes for codes in tasks if endpoint in codes)
            handling.extend(request)
            writing.extend(called())
        put(self, family, key, value)

    write = RocksStore.write

    def storing(self: RocksStore, batch: Sequence[Change]) -> None:
        if handling:  # and no blob of the image
            writing.extend(called())
        write(self, batch)

    monkeypatch.setattr(Transaction, "put", noting)
    monkeypatch.setattr(RocksStore, "write", storing)
    await registry.push_image("lib/app", "v1")
    passed = [name for code in (*handling, *writing) if (name := room(code)) is not None]
    assert list(dict.fromkeys(passed)) == [*documented()]
    assert len(documented()) <= ROOMS_MAX


class Counting:
    """A decoder that counts."""

    def __init__(self, decoder: msgspec.json.Decoder[object]) -> None:
        self.decoder = decoder
        self.count = 0

    def decode(self, data: bytes) -> object:
        self.count += 1
        return self.decoder.decode(data)


@pytest.fixture
def decoders(monkeypatch: pytest.MonkeyPatch) -> dict[str, Counting]:
    """Every decoder of manifests."""
    found: dict[str, Counting] = {}
    for module in (manifests, media_types):
        for name, value in vars(module).items():
            if isinstance(value, msgspec.json.Decoder):
                found[name] = Counting(value)
                monkeypatch.setattr(module, name, found[name])
    return found


ONCE = {"_TOP": 1, "_DOCUMENT": 1, "_OUTLINE": 1, "_REFERRING": 0}
KEYS = ("_ONE", "_SEVERAL")
"""They look at the keys of descriptors alone, which are a part of the whole."""


def counted(decoders: dict[str, Counting]) -> dict[str, int]:
    return {name: each.count for name, each in decoders.items() if name not in KEYS}


@pytest.mark.parametrize("kind", ["plain", "referrer", "large", "index"])
async def test_a_manifest_is_parsed_once(
    registry: Registry, decoders: dict[str, Counting], kind: str
):
    """Broken: each megabyte of a manifest holds up the event loop, or the writer, several times."""
    text = f"once {kind}".encode()
    blob = (await registry.push_blob("lib/app", text), len(text))
    subject = await registry.push_image("lib/app", "v1")
    match kind:
        case "referrer":
            body = image(blob, subject=descriptor(subject, 1, OCI_MANIFEST))
        case "large":
            body = image(blob, annotations={"a": "x" * manifests._SMALL_BYTES})
        case "index":
            size = len((await registry.call("GET", f"/v2/lib/app/manifests/{subject}")).body)
            body = encoded(an_index(descriptor(subject, size, OCI_MANIFEST)))
        case _:
            body = image(blob)
    before = counted(decoders)
    media_type = OCI_INDEX if kind == "index" else OCI_MANIFEST
    answer = await registry.put_manifest("lib/app", "v2", body, media_type)
    assert answer.status == 201, answer.body
    assert {name: now - before[name] for name, now in counted(decoders).items()} == ONCE


async def test_so_is_each_of_many_that_wait_for_their_copies(
    registry: Registry, decoders: dict[str, Counting], monkeypatch: pytest.MonkeyPatch
):
    """Broken: of pushes that go on at once each manifest is forgotten before it is written."""
    many = 20
    blob = (await registry.push_blob("lib/app", b"many"), 4)
    barrier = asyncio.Barrier(many)

    async def ensure(*_: object) -> int:
        await barrier.wait()
        return 1

    monkeypatch.setattr(registry.replicator, "ensure_copies", ensure)
    bodies = [image(blob, annotations={"number": str(number)}) for number in range(many)]
    answers = await asyncio.gather(
        *(registry.put_manifest("lib/app", f"v{n}", body) for n, body in enumerate(bodies))
    )
    assert {answer.status for answer in answers} == {201}
    assert counted(decoders) == {name: many * count for name, count in ONCE.items()}
