"""Batches of the control log: one encoding, one name."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.control.values import (
    COMMANDS_MAX,
    Author,
    Batch,
    By,
    Force,
    Found,
    Seat,
    SetLayout,
    Setting,
    Voters,
    decode_batch,
    encode_batch,
    hash_of,
)

names = st.text("abcdef0123456789-", min_size=1, max_size=8)
numbers = st.integers(0, 2**63 - 1)
seats = st.lists(st.builds(Seat, names, names, numbers), min_size=1, max_size=5).map(tuple)
commands = st.one_of(
    st.builds(Found, seats, numbers, numbers),
    st.builds(Voters, seats),
    st.builds(SetLayout, numbers, st.binary(max_size=20)),
    st.builds(By, st.text(max_size=20)),
    st.builds(Setting, names, st.none() | st.text(max_size=20)),
)
plain_batches = st.builds(
    Batch,
    st.binary(max_size=32),
    st.integers(1, 2**63 - 1),
    st.binary(max_size=32),
    st.builds(Author, names, numbers, numbers),
    st.lists(commands, min_size=1, max_size=4).map(tuple),
)
forces = st.builds(Force, seats, st.lists(names).map(tuple), numbers, st.none() | plain_batches)
batches = plain_batches | plain_batches.flatmap(
    lambda batch: forces.map(lambda force: msgspec.structs.replace(batch, commands=(force,)))
)


@given(batches)
def test_a_batch_is_read_as_it_was_written(batch: Batch):
    data = encode_batch(batch)
    assert decode_batch(data) == batch
    assert encode_batch(decode_batch(data)) == data


@given(batches, batches)
def test_a_hash_names_one_batch(one: Batch, other: Batch):
    assert (hash_of(one) == hash_of(other)) == (one == other)


@pytest.mark.parametrize(
    "command",
    [["decide", "library/alpine", "3.20"], ["setting", "copies", "3", "and more"], ["voters"]],
    ids=["a newer command", "a newer field", "a missing field"],
)
def test_a_batch_of_another_version_is_refused_whole(command: list[str]):
    """Broken: this node goes on with half of a slot, and its state differs from the others'."""
    data = msgspec.msgpack.encode([b"", 1, b"", ["n0", 1, 1], [command]])
    with pytest.raises(msgspec.MsgspecError):
        decode_batch(data)


def test_a_slot_of_settings_is_small():
    settings = tuple(Setting(f"setting_{n}", "x" * 100) for n in range(COMMANDS_MAX))
    batch = Batch(b"g" * 32, 7, b"p" * 32, Author("n0", 1, 1), settings)
    assert len(encode_batch(batch)) < 40_000
