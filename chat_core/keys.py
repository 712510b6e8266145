"""Names in Redis. Everything that one script touches lies in one hash slot: the shard is the hash tag."""

from zlib import crc32


def shard_of(room: str, shards: int) -> int:
    """Return the shard that ``room`` belongs to: crc32 modulo ``shards``."""
    return crc32(room.encode()) % shards


def channel(shard: int) -> str:
    """Return the Pub/Sub channel on which a shard's publications travel."""
    return f"chat:{{{shard}}}"


def room_prefix(shard: int) -> str:
    """Return what a room's keys begin with; ``lua/room.lua`` says what follows."""
    return f"chat:{{{shard}}}:room:"


def room_index(shard: int) -> str:
    """Return the sorted set of a shard's rooms by last activity (milliseconds)."""
    return f"chat:{{{shard}}}:rooms"


SHARDS = "chat:shards"
"""Holds the number of shards that this Redis was first used with; another number is an error at start."""
