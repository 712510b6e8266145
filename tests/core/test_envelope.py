"""What travels between processes is read as it was written."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat_core import envelope
from chat_core.envelope import Block, Marked

EPOCH = "00000000000000ab"


def written(blocks: list[Block]) -> bytes:
    """An `L` envelope as `commit.lua` makes it; `tests/scripts` holds the script to the reader."""
    parts = [b"L"]
    for block in blocks:
        sizes = b",".join(b"%d" % len(one) for one in block.entries)
        head = f"{block.room} {block.epoch} {block.first} {block.at:.3f} {sum(map(len, block.entries))} ".encode()
        parts += [head, sizes, b"\n", *block.entries]
    return b"".join(parts)


ENTRIES = st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=5)
BLOCKS = st.lists(
    st.builds(
        Block, st.sampled_from(["a", "b-1", "c_2"]), st.just(EPOCH), st.integers(1, 2**53), st.just(1.5), ENTRIES
    ),
    max_size=5,
)


@settings(derandomize=True, deadline=None)
@given(BLOCKS, st.sets(st.sampled_from(["a", "b-1", "c_2"])))
def test_blocks_of_the_rooms_that_are_hosted_are_read_and_no_others(blocks: list[Block], hosted: set[str]) -> None:
    found = list(envelope.blocks(written(blocks), hosted.__contains__))
    assert found == [block for block in blocks if block.room in hosted]


def test_block_ends_at_the_offset_of_its_last_entry() -> None:
    assert Block("a", EPOCH, 7, 1.0, [b"x"] * 3).last == 9


@pytest.mark.parametrize("body", [b"", b'{"count":1}', b"two\nlines and spaces"])
def test_presence_and_typing_carry_their_body_whole(body: bytes) -> None:
    assert envelope.addressed(envelope.presence("a", "p1", body)) == ("a", "p1", body)
    assert envelope.addressed(envelope.typing("a", "u1", body)) == ("a", "u1", body)
    assert envelope.presence("a", "p1", body)[:1] == b"P"
    assert envelope.typing("a", "u1", body)[:1] == b"T"


def test_read_marker_is_read() -> None:
    assert envelope.marked(f"Rlobby u1 {EPOCH} 12".encode()) == Marked("lobby", "u1", EPOCH, 12)
