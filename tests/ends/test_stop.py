"""Every server ends when told to, whatever its peers do. These tests stop the servers that the others share."""

from tests.ends.conftest import Server
from tests.ends.peer import CLOSE, TEXT


def test_stop_without_connections_is_quick(server: Server) -> None:
    assert server.terminate() < 1.5


def test_stop_does_not_wait_for_mute_peers(server: Server) -> None:
    mute = [server.peer() for _ in range(10)]
    server.peer(receive_buffer=4096)
    mute[0].send("flood 40 4096")
    mute[0].ask("who")  # answered behind the flood, which the polite one is not to get
    polite = server.peer()
    if server.kind == "portable":
        # It has no way to cut a stuck transport: the server's own limit ends it, and says so.
        server.may_log = True
        assert server.terminate() < 6
    else:
        assert server.terminate() < 4.5
        assert (polite.receive().code, mute[1].receive().opcode) in {(1012, TEXT), (1012, CLOSE)}
