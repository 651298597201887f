"""The form of a row that sums are taken over stays what it is, however rows are stored."""

from typing import Any

import msgspec
import pytest

from cluster.messages import CompareRequest
from cluster.model import Dot, NodeId, Summed
from cluster.objects import Live, Presence, Register, Version, comparison
from node.index import canonical, rows
from node.index.merkle import RowChange, Sums
from node.index.rows import HistoryRow, HistoryTotalsRow, HolderRow, RepositoryRow
from node.index.store import SHARED_FAMILIES
from tests.unit.index.conftest import OpenIndex
from tests.unit.index.nodes import push

DOT, OTHER = Dot("a", 1, 2), Dot("b", 3, 4)
PRESENCE = Presence((Live(DOT, 9, "note"),), (OTHER,))
REGISTER = Register((Version(DOT, 9, "sha256:x"),), (OTHER,))

FORM_1: dict[str, tuple[msgspec.Struct, Any]] = {
    "manifests": (PRESENCE, [[["a", 1, 2, 9, "note"]], [["b", 3, 4]]]),
    "blobs": (PRESENCE, [[["a", 1, 2, 9, "note"]], [["b", 3, 4]]]),
    "tags": (REGISTER, [[["a", 1, 2, 9, "sha256:x"]], [["b", 3, 4]]]),
    "settings": (REGISTER, [[["a", 1, 2, 9, "sha256:x"]], [["b", 3, 4]]]),
    "history": (HistoryRow("sha256:x", (OTHER,)), ["sha256:x", [["b", 3, 4]]]),
    "histories": (HistoryTotalsRow(2, 9, b"a key"), [2, 9]),
    "repositories": (RepositoryRow(3, 4), [3, 4]),
    "holders": (HolderRow(True, 5, 9, 1, 2), [True, 5, 9, 1, 2]),
}
"""What each family's rows say. Another form has another number, and a migration."""


@pytest.mark.parametrize("family", FORM_1)
def test_each_family_has_its_form(family: str):
    """Broken: a change of how rows are stored makes every rolling upgrade look like damage."""
    assert canonical.FORM == 1, "a new form: say what it is here, and have a migration"
    row, form = FORM_1[family]
    assert canonical.form(family, rows.encode(row)) == msgspec.msgpack.encode(form)


def test_what_has_no_form_of_its_own_is_served_as_it_is_stored():
    """But a manifest's bytes, which the key names; what is derived and empty says nothing."""
    rest = set(SHARED_FAMILIES) - FORM_1.keys()
    assert rest == {
        "manifest_bytes", "linked", "conflicts", "tagged", "referrers", "referrer_types",
    }  # fmt: skip
    for family in rest - {"manifest_bytes"}:
        assert canonical.form(family, b"as it is") == b"as it is"
    assert canonical.form("manifest_bytes", b"{}") == canonical.form("manifest_bytes", b"[]")


class Later(msgspec.Struct, frozen=True):
    """How another version stores a register: by names, and the awaited first."""

    awaited: tuple[Dot, ...]
    heads: tuple[Version, ...]


async def test_a_version_that_stores_differently_has_the_same_sums(
    open_node: OpenIndex, monkeypatch: pytest.MonkeyPatch
):
    index = open_node("a")
    await push(index, "lib/app", "x", "v1", "v2")
    stored = list(index.journal.store.scan("tags", b"", b"\xff"))
    mine = Sums().after(RowChange("tags", key, None, value) for key, value in stored)[0]
    later = [
        (key, msgspec.msgpack.encode(Later(state.awaited, state.heads)))
        for key, state in ((key, rows.decode(Register, value)) for key, value in stored)
    ]
    assert later != stored
    decode = rows.decode

    def decode_later(row_type: type[Any], data: bytes) -> Any:
        if row_type is not Register:
            return decode(row_type, data)
        found = msgspec.msgpack.decode(data, type=Later)
        return Register(found.heads, found.awaited)

    monkeypatch.setattr(rows, "decode", decode_later)
    assert Sums().after(RowChange("tags", key, None, value) for key, value in later)[0] == mine


@pytest.mark.parametrize("family", FORM_1)
def test_a_row_that_cannot_be_read_is_like_no_other(family: str):
    """Broken: a check of the rows ends with an error, or takes a rotten row for a sound one."""
    good = canonical.form(family, rows.encode(FORM_1[family][0]))
    rotten = {canonical.form(family, value) for value in (b"", b"\xc1", b"\x90")}
    assert len(rotten) == 3
    assert good not in rotten


def test_sums_over_different_forms_are_not_compared():
    """Broken: in a rolling upgrade to a new form every node is told that its rows are wrong."""
    sums = bytes(comparison.SUMS_BYTES)
    asked = CompareRequest(NodeId("b"), {}, b"\1" + sums[1:], form=1)
    assert not comparison.answer(Summed({}, sums, form=2), asked, sound=True).same_vector
    assert comparison.answer(Summed({}, sums, form=1), asked, sound=True).differences
