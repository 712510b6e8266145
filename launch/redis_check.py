"""Is there a Redis that can be worked with?"""

import time
from typing import Final

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError
from redis.retry import Retry

from chat_core import keys
from launch.errors import LaunchError

PATIENCE: Final = 5.0
"""Seconds that Redis may take to come up beside us."""
OLDEST: Final = (6, 2)


def check_redis(url: str, shards: int) -> None:
    """Wait for Redis; raise LaunchError where it cannot be reached or used, or was set up with other shards."""
    try:
        client = Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0))
    except ValueError as error:
        raise LaunchError(f"CHAT_REDIS_URL: {error}") from None
    with client:
        try:
            info = _wait_for_info(client)
            client.set(keys.SHARDS, shards, nx=True)
            recorded = int(client.get(keys.SHARDS) or 0)
        except (RedisError, OSError) as error:
            # Redis says in some refusals all that one might do about it.
            reason = str(error).partition(". ")[0]
            raise LaunchError(f"CHAT_REDIS_URL: {_shown(url)} cannot be used: {reason}") from None
    version = str(info["redis_version"])
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
        raise LaunchError(f"CHAT_REDIS_URL: Redis {version} is too old; {'.'.join(map(str, OLDEST))} is needed")
    if recorded != shards:
        raise LaunchError(f"CHAT_SHARDS: {shards}, but this Redis was first used with {recorded}; rooms would be lost")


def _wait_for_info(client: Redis) -> dict[str, object]:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            info: dict[str, object] = client.info("server")
        except AuthenticationError:
            raise
        except (RedisError, OSError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return info


def _shown(url: str) -> str:
    """The address without a password."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
