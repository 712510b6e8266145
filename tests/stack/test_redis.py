"""Redis as the stack runs it."""

import os
import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis

from stack.errors import StackError
from stack.redis import ExternalRedis, RedisServer, choose_redis, unreachable


def _set(server: RedisServer, name: str) -> None:
    with Redis.from_url(server.url) as client:
        client.set(name, "x")


def _names(server: RedisServer) -> set[bytes]:
    with Redis.from_url(server.url) as client:
        return set(client.keys())


def test_data_survive_stop_and_kill(redis_server: RedisServer) -> None:
    _set(redis_server, "one")
    redis_server.restart()
    _set(redis_server, "two")
    redis_server.kill()
    assert not redis_server.running
    redis_server.start()
    assert _names(redis_server) == {b"one", b"two"}


def test_every_write_is_synced_and_nothing_is_evicted(redis_server: RedisServer) -> None:
    with Redis.from_url(redis_server.url) as client:
        for name, value in {
            "appendonly": "yes",
            "appendfsync": "always",
            "save": "",
            "maxmemory-policy": "noeviction",
            "port": "0",
        }.items():
            assert client.config_get(name) == {name: value}
        assert "pubsub 67108864 33554432 60" in client.config_get("client-output-buffer-limit").popitem()[1]


def test_only_this_user_can_reach_the_socket(redis_server: RedisServer) -> None:
    path = Path(redis_server.url.removeprefix("unix://"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(redis_server.data_dir.stat().st_mode) == 0o700


def test_socket_path_is_short_wherever_temporary_files_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    with RedisServer(tmp_path / "redis") as server:
        assert len(server.url) < 100


def test_frozen_redis_does_not_answer_and_comes_back(redis_server: RedisServer) -> None:
    redis_server.freeze()
    assert unreachable(redis_server.url) is not None
    redis_server.thaw()
    assert unreachable(redis_server.url) is None


def test_frozen_redis_can_be_stopped(redis_server: RedisServer) -> None:
    redis_server.freeze()
    assert redis_server.stop(grace=10) == 0


def test_tail_of_the_log_can_be_cut(redis_server: RedisServer) -> None:
    for name in ("one", "two"):
        _set(redis_server, name)
    redis_server.kill()
    log = redis_server.append_only_file()
    os.truncate(log, log.stat().st_size - 5)
    redis_server.start()
    assert _names(redis_server) == {b"one"}


def test_second_redis_on_the_same_data_is_refused(redis_server: RedisServer) -> None:
    second = RedisServer(redis_server.data_dir)
    with pytest.raises(StackError, match="another Redis is using"):
        second.start()
    assert unreachable(redis_server.url) is None


def test_data_of_a_newer_redis_are_not_overlooked(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    server.binary = server.binary._replace(version=(6, 2, 14))
    (tmp_path / "appendonlydir").mkdir()
    with pytest.raises(StackError, match="written by Redis 7"):
        server.start()


def test_newer_redis_appends_to_its_last_part(tmp_path: Path) -> None:
    (tmp_path / "appendonlydir").mkdir()
    (tmp_path / "appendonlydir" / "appendonly.aof.manifest").write_text(
        "file appendonly.aof.2.base.rdb seq 2 type b\n"
        "file appendonly.aof.1.incr.aof seq 1 type h\n"
        "file appendonly.aof.2.incr.aof seq 2 type i\n"
    )
    assert RedisServer(tmp_path).append_only_file() == tmp_path / "appendonlydir" / "appendonly.aof.2.incr.aof"


def test_log_that_cannot_be_read_is_quoted(tmp_path: Path) -> None:
    (tmp_path / "appendonly.aof").write_bytes(b"this was never written by Redis")
    with pytest.raises(StackError, match=r"^redis ended before it was ready \(exit code 1\): .*Bad file format"):
        RedisServer(tmp_path).start()


def test_given_redis_is_used_as_it_is(redis_server: RedisServer, tmp_path: Path) -> None:
    chosen = choose_redis(redis_server.url, tmp_path)
    with chosen:
        assert isinstance(chosen, ExternalRedis)
        assert chosen.version == redis_server.version
    assert redis_server.running


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis://127.0.0.1:1", "Connection refused"),
        ("unix:///nowhere/redis.sock", "No such file"),
        ("http://example.org", "scheme"),
    ],
)
def test_unreachable_redis_is_one_clear_line(url: str, said: str) -> None:
    with pytest.raises(StackError, match=rf"^CHAT_REDIS_URL: .*{said}.*$") as caught:
        ExternalRedis(url).start()
    assert "\n" not in str(caught.value)


def test_redis_too_old_is_refused() -> None:
    with _redis_saying("5.0.14") as url, pytest.raises(StackError, match=r"Redis there is 5\.0\.14, but 6\.2"):
        ExternalRedis(url).start()


@contextmanager
def _redis_saying(version: str) -> Iterator[str]:
    """What an old Redis answers to PING and INFO: there is no package of one to install."""
    info = f"redis_version:{version}\r\n".encode()

    def serve(connection: socket.socket) -> None:
        with connection:
            while asked := connection.recv(4096):
                if b"PING" in asked:
                    connection.sendall(b"+PONG\r\n")
                elif b"INFO" in asked:
                    connection.sendall(b"$%d\r\n%s\r\n" % (len(info), info))
                else:  # how redis-py introduces itself is unknown to old servers, which it takes well
                    connection.sendall(b"-ERR unknown command\r\n" * asked.count(b"*"))

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=[connection], daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}?protocol=2"


def test_nothing_is_left_in_the_temporary_directory(tmp_path: Path) -> None:
    server = RedisServer(tmp_path / "redis")
    with server:
        directory = Path(server.url.removeprefix("unix://")).parent
        assert directory.is_dir()
    del server
    assert not directory.exists()


def test_redis_that_lost_its_data_begins_with_none(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server:
        with Redis.from_url(server.url) as client:
            client.set("kept", "until the data are lost")
        server.kill()
        server.lose_data()
        server.start()
        with Redis.from_url(server.url) as client:
            assert client.dbsize() == 0
