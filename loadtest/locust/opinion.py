"""A plain Locust file: the scenario of `loadtest.opinion`, in Locust's own way and with another WebSocket client.

One speaker says something at a constant rate, all members listen. Latency counts from when a message was meant to be
sent, by the text of the message. Told by OPINION, a JSON object; what was found is one line of JSON at the end.
"""

import http.client
import json
import os
import time
from itertools import count
from typing import Any

import gevent
from locust import User, constant, events, task
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

TOLD = json.loads(os.environ["OPINION"])
FOUND: list[float] = []
NUMBERS = count()
INSIDE = count(1)
STATE = {"inside": 0, "sent": 0}


class Member(User):  # type: ignore[misc]
    """The first one speaks."""

    wait_time = constant(1)

    def on_start(self) -> None:
        """Get a session, connect, join, listen."""
        self.number = next(NUMBERS)
        headers = {"Authorization": f"Bearer {self.token()}"}
        url = f"ws://{TOLD['host']}:{TOLD['port']}/ws"
        self.socket: ClientConnection = connect(url, additional_headers=headers, compression=None)
        self.socket.send(json.dumps({"type": "join", "ref": 1, "room": TOLD["room"]}))
        while json.loads(self.socket.recv()).get("ref") != 1:
            pass
        STATE["inside"] = next(INSIDE)
        gevent.spawn(self.listen)
        if not self.number:
            gevent.spawn(self.speak)

    def token(self) -> str:
        """Ask for a session."""
        connection = http.client.HTTPConnection(TOLD["host"], TOLD["port"])
        body = json.dumps({"name": f"member {self.number}"})
        connection.request("POST", "/api/session", body, {"Content-Type": "application/json"})
        return str(json.loads(connection.getresponse().read())["token"])

    def listen(self) -> None:
        """Note how late each message comes."""
        try:
            for frame in self.socket:
                now = time.time()
                push = json.loads(frame)
                if push.get("type") == "message":
                    latency = now - float(push["text"].partition(" ")[0])
                    FOUND.append(latency)
                    self.note(latency)
        except ConnectionClosed:
            pass

    def note(self, latency: float) -> None:
        """Tell Locust."""
        events.request.fire(
            request_type="WS",
            name="delivery",
            response_time=1000 * latency,
            response_length=0,
            exception=None,
            context={},
        )

    def speak(self) -> None:
        """Say something whenever it is time, once everybody is inside."""
        while STATE["inside"] < TOLD["members"]:
            gevent.sleep(0.05)
        began = time.time() + 0.5
        for number in range(TOLD["messages"]):
            due = began + (number + 1) / TOLD["rate"]
            gevent.sleep(max(0.0, due - time.time()))
            text = f"{due:.6f} {TOLD['text']}"
            post = {"type": "post", "ref": number + 2, "room": TOLD["room"], "id": f"opinion-{number}", "text": text}
            self.socket.send(json.dumps(post))
            STATE["sent"] += 1
        gevent.sleep(1)
        self.environment.runner.quit()

    @task  # type: ignore[untyped-decorator]
    def go_on(self) -> None:
        """Nothing: what there is to do goes on beside."""


@events.quitting.add_listener  # type: ignore[untyped-decorator]
def tell(environment: Any, **_: Any) -> None:
    """Say what was found: Locust's own percentiles are rounded."""
    found = sorted(FOUND)
    place = {name: found[min(len(found) - 1, int(len(found) * part))] for name, part in (("p50", 0.5), ("p99", 0.99))}
    print(json.dumps({"sent": STATE["sent"], "deliveries": len(found), **place}), flush=True)
    environment.process_exit_code = 0
