"""FastAPI's tutorial: a ConnectionManager that awaits a send to each connection in turn, one manager per room."""

import os
from collections import defaultdict
from typing import Any

import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

EPOCH = "0" * 16
app = FastAPI()


class ConnectionManager:
    def __init__(self) -> None:
        self.active_connections: list[WebSocket] = []
        self.offset = 0

    async def broadcast(self, message: dict[str, Any]) -> None:
        for connection in self.active_connections:
            await connection.send_json(message)


rooms: defaultdict[str, ConnectionManager] = defaultdict(ConnectionManager)


@app.websocket("/ws")
async def chat(websocket: WebSocket) -> None:
    await websocket.accept()
    manager = ConnectionManager()
    try:
        while True:
            command = await websocket.receive_json()
            manager = rooms[command["room"]]
            if command["type"] == "join":
                manager.active_connections.append(websocket)
            else:
                manager.offset += 1
            place = {"epoch": EPOCH, "offset": manager.offset}
            await websocket.send_json({"type": "reply", "ref": command["ref"], "result": place})
            if command["type"] == "post":
                said = {"id": command["id"], "text": command["text"]}
                await manager.broadcast({"type": "message", "room": command["room"], **place, **said})
    except WebSocketDisconnect:
        manager.active_connections.remove(websocket)


if __name__ == "__main__":
    uvicorn.run(app, host=os.environ["HOST"], port=int(os.environ["PORT"]), log_level="warning")
