"""What is done to a contender while it is under load."""

import contextlib
import os
import signal
import time

from loadtest.conductor.contender import Running
from loadtest.workload import Fault
from stack.errors import StackError
from stack.server import Server


def hurt(fault: Fault, running: Running) -> None:
    """Do to the contender what is to go wrong. Raises StackError where it cannot be done."""
    server, redis = running.server, running.redis
    if server is None:
        raise StackError("the server is not ours to hurt")
    match fault.kind:
        case "freeze server":
            _freeze(server, fault.seconds)
        case "kill server":
            server.kill()
            server.start()
        case "restart server":
            server.restart()
        case "kill worker":
            victims = server.pids()[1:]
            if not victims:
                raise StackError("it has one process only")
            with contextlib.suppress(ProcessLookupError):
                os.kill(victims[-1], signal.SIGKILL)
        case "freeze redis":
            if redis is None:
                raise StackError("it has no Redis")
            _freeze(redis, fault.seconds)


def _freeze(server: Server, seconds: float) -> None:
    server.freeze()
    try:
        time.sleep(seconds)
    finally:
        server.thaw()
