"""Names in Redis: everything of one room in one hash slot."""

import re

from chat_core import keys


def test_room_belongs_to_the_shard_of_its_crc() -> None:
    check = 0xCBF43926  # what every CRC-32 gives for these nine digits
    assert [keys.shard_of("123456789", shards) for shards in (1, 64, 1000)] == [0, check % 64, check % 1000]
    assert {keys.shard_of(f"room{number}", 8) for number in range(200)} == set(range(8))


def test_names_of_one_shard_share_its_hash_tag() -> None:
    names = [keys.channel(7), keys.room_prefix(7) + "lobby:log", keys.room_index(7)]
    assert {tag for name in names for tag in re.findall(r"{(.*?)}", name)} == {"7"}
    assert len({*names, keys.SHARDS}) == 4
