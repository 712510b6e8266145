"""TCP ports of this machine."""

import random
import socket
from contextlib import closing

from stack.errors import StackError

# Below the range from which Linux (32768) and macOS (49152) take the local ends of outgoing connections: a port
# found free there stays free until we use it, unless another server asks for that very one.
CANDIDATES = range(20_000, 30_000)


def free_port(host: str = "127.0.0.1") -> int:
    for port in random.sample(CANDIDATES, 100):
        if is_free(host, port):
            return port
    raise StackError(f"no free port between {CANDIDATES.start} and {CANDIDATES.stop} on {host}")


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there now. StackError if this machine has no such address."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        raise StackError(f"CHAT_HOST: {host!r} is not an address of this machine") from error
    with closing(socket.socket(family, kind, protocol)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
            probe.listen()
        except OSError:
            return False
        return True
