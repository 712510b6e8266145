"""The one listening socket of a backend; its workers inherit it, its connections inherit its options."""

import socket
from typing import Final

from launch.errors import LaunchError

BACKLOG: Final = 2048
SEND_BUFFER: Final = 128 * 1024
"""Bytes that the kernel may hold per connection. Left alone it takes 4 MB from a peer that does not read, unseen."""
RECEIVE_BUFFER: Final = 64 * 1024
"""Bytes that a peer may have sent before they are read. Left alone the kernel takes 6 MB, which a flood of the smallest
frames fills, and which then take seconds to parse though their sender is long gone."""
UNACKNOWLEDGED: Final = 30.0
"""Seconds for which a peer may acknowledge nothing, or keep its window shut, before the kernel ends it."""


def listen(host: str, port: int, name: str = "CHAT_PORT", silence: float = UNACKNOWLEDGED) -> socket.socket:
    """Return a listening socket; raise LaunchError, which names the setting, where the address cannot be had.

    ``silence`` is in seconds: whoever acknowledges nothing is ended by then, if not before.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise LaunchError(f"CHAT_HOST: {host!r} is no address of this machine ({error.strerror})") from None
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; elsewhere the hub's pings have to do
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(min(UNACKNOWLEDGED, silence) * 1000))
    try:
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise LaunchError(f"CHAT_HOST, {name}: cannot listen on {host}:{port} ({error.strerror})") from None
    listener.set_inheritable(True)
    return listener
