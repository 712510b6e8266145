"""A line of ``series.jsonl``: what the generator saw in one second of one trial."""

from loadtest.record.base import Latency, Record


class Connections(Record):
    """How many there are at the end of the second; ``refused`` and ``ended`` are those of this second."""

    planned: int
    """that the plan wants open now"""
    handshaking: int
    open: int
    """through the handshake, members or not"""
    members: int
    refused: int
    """answered with an HTTP status, or not at all"""
    ended: int
    """that were open, by whom- and whatever"""


class Messages(Record):
    """Posts of this second."""

    planned: int
    sent: int
    acknowledged: int
    refused: int
    unsent: int
    """due, but their connection was gone"""


class Ledger(Record):
    """What went wrong, in deliveries if not said otherwise. In a second of the series: what was found in it."""

    lost: int = 0
    duplicated: int = 0
    reordered: int = 0
    corrupt: int = 0
    foreign: int = 0
    """of another room or epoch, or posted by nobody"""
    late_after_leave: int = 0
    """of a room that was left, after the leave was acknowledged: allowed, and counted"""
    unanswered: int = 0
    """posts without a reply, though their connection stayed"""
    answered_twice: int = 0
    refused: int = 0
    """posts answered with an error: what an overloaded server may do"""
    unsent: int = 0
    """posts due while their connection was gone"""
    disconnected: int = 0
    """connections that the server ended"""


class GeneratorHealth(Record):
    """Of the process that was worst in this second."""

    cpu: float
    send_lag_p99: float | None
    loop_lag_p99: float | None
    gc_pause: float
    """the longest one"""
    failures: int = 0
    """connections that could not be tried, for want of descriptors or ports"""


class Second(Record):
    """A line of ``series.jsonl``: one second of one trial, all of the generator's processes together."""

    t: int
    """the second that begins ``t`` seconds after the plan began"""
    at: float
    label: str
    repeat: int
    phase: str | None
    connections: Connections
    messages: Messages
    deliveries: int
    recovered: int
    """of the deliveries, those that came with a resume"""
    delivery: Latency
    """intended → received"""
    service: Latency
    """sent → received; of messages that the receiving process sent itself"""
    handshake: Latency
    """intended → 101"""
    http: Latency
    """intended → answered, of the requests made beside the sockets"""
    http_failed: int
    ledger: Ledger
    closes: dict[str, int]
    """connections that ended, by close code or reason"""
    generator: GeneratorHealth
