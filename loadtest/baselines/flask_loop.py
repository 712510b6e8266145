"""flask-sock's way: a thread per connection, and a loop over the room's connections in the thread of who speaks.

The lock is more than the tutorials have. Without it, two who speak at once would be heard in different orders.
"""

import json
from collections import defaultdict
from threading import Lock
from typing import Any

from flask import Flask
from flask_sock import Sock

EPOCH = "0" * 16
app = Flask(__name__)
sock = Sock(app)


class Room:
    def __init__(self) -> None:
        self.lock = Lock()
        self.clients: list[Any] = []
        self.offset = 0


rooms: defaultdict[str, Room] = defaultdict(Room)


@sock.route("/ws")  # type: ignore[untyped-decorator]
def chat(ws: Any) -> None:
    room = Room()
    try:
        while True:
            command = json.loads(ws.receive())
            room = rooms[command["room"]]
            with room.lock:
                if command["type"] == "join":
                    room.clients.append(ws)
                else:
                    room.offset += 1
                place = {"epoch": EPOCH, "offset": room.offset}
                ws.send(json.dumps({"type": "reply", "ref": command["ref"], "result": place}))
                if command["type"] == "post":
                    said = {"id": command["id"], "text": command["text"]}
                    message = json.dumps({"type": "message", "room": command["room"], **place, **said})
                    for client in room.clients:
                        client.send(message)
    finally:
        room.clients.remove(ws)
