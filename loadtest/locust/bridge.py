"""A locustfile that carries orders and answers between who conducts a run and processes of the generator elsewhere.

Locust finds the workers, tells them apart and notices when one is gone. The load is not Locust's: each of its workers
starts one process of our generator as its segment of the plan. Orders come to the master on standard input; what the
processes answer it writes to standard output, each line behind the number of its segment.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import gevent
from gevent.fileobject import FileObject
from locust import User, constant, events, task
from locust.runners import MasterRunner, WorkerRunner

ROOT = Path(__file__).resolve().parents[2]
PYTHON = os.environ.get("TANDEM_PYTHON", str(ROOT / ".venv" / "bin" / "python"))


class Segment(User):  # type: ignore[misc]
    """Stands for one process of the generator; what it does is not Locust's business."""

    wait_time = constant(1)

    @task  # type: ignore[untyped-decorator]
    def go_on(self) -> None:
        """Nothing."""


class Master:
    """The end that is told what to do."""

    def __init__(self, runner: MasterRunner) -> None:
        self.runner = runner
        runner.register_message("line", self.on_line)

    def obey(self) -> None:
        """Pass orders on once all workers are there, until there are no more."""
        while self.runner.worker_count < self.runner.environment.parsed_options.expect_workers:
            gevent.sleep(0.05)
        for order in FileObject(sys.stdin.buffer, "rb"):
            self.runner.send_message("order", json.loads(order))
        self.runner.quit()

    def on_line(self, environment: Any, msg: Any, **_: Any) -> None:
        """A process answered."""
        print(json.dumps(msg.data), flush=True)


class Worker:
    """The end where the load is made."""

    def __init__(self, runner: WorkerRunner) -> None:
        self.runner = runner
        self.process: subprocess.Popen[bytes] | None = None
        runner.register_message("order", self.on_order)
        runner.environment.events.quitting.add_listener(lambda **_: self.stop())

    def on_order(self, environment: Any, msg: Any, **_: Any) -> None:
        """The first order holds the jobs of all; ours goes by our number."""
        if "jobs" in msg.data:
            self.start(msg.data["jobs"][self.runner.worker_index])
        elif self.process is not None and self.process.stdin is not None:
            self.process.stdin.write(json.dumps(msg.data).encode() + b"\n")
            self.process.stdin.flush()

    def start(self, job: dict[str, Any]) -> None:
        """Start our process of the generator and pass on what it says."""
        command = [PYTHON, "-m", "loadtest.crew.worker"]
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if self.process.stdin is not None:
            self.process.stdin.write(json.dumps(job).encode() + b"\n")
            self.process.stdin.flush()
        gevent.spawn(self.listen, self.process, job["segment"])

    def listen(self, process: subprocess.Popen[bytes], segment: int) -> None:
        """Send what the process says to the master."""
        for line in FileObject(process.stdout, "rb"):
            said = json.loads(line)
            self.runner.send_message("line", [segment, said])
            if said["kind"] == "second":
                self.show(said)
        self.runner.send_message("line", [segment, None])

    def show(self, second: dict[str, Any]) -> None:
        """Let Locust show something; its percentiles are rounded to two digits, ours are in the record of the run."""
        events.request.fire(
            request_type="WS",
            name="slowest delivery of a second",
            response_time=1000.0 * second["latency"]["delivery"]["longest"],
            response_length=0,
            exception=None,
            context={},
        )

    def stop(self) -> None:
        """The process ends with its input."""
        if self.process is not None and self.process.stdin is not None:
            self.process.stdin.close()
            self.process.wait(5)


@events.init.add_listener  # type: ignore[untyped-decorator]
def begin(environment: Any, **_: Any) -> None:
    """Find out which end this is."""
    runner = environment.runner
    if isinstance(runner, MasterRunner):
        gevent.spawn(Master(runner).obey)
    elif isinstance(runner, WorkerRunner):
        Worker(runner)
