// The README of `ws`: "Server broadcast". One list of clients per room; `send` is not awaited, as in the README.

import { WebSocketServer } from "ws";

const epoch = "0".repeat(16);
const rooms = new Map();

function roomOf(name) {
  if (!rooms.has(name)) rooms.set(name, { clients: new Set(), offset: 0 });
  return rooms.get(name);
}

const server = new WebSocketServer({ host: process.env.HOST, port: Number(process.env.PORT), path: "/ws" });

server.on("connection", (ws) => {
  ws.on("error", () => ws.terminate());
  ws.on("close", () => rooms.forEach((room) => room.clients.delete(ws)));
  ws.on("message", (data) => {
    const { type, ref, room: name, id, text } = JSON.parse(data);
    const room = roomOf(name);
    if (type === "join") room.clients.add(ws);
    else room.offset += 1;
    const offset = room.offset;
    ws.send(JSON.stringify({ type: "reply", ref, result: { epoch, offset } }));
    if (type !== "post") return;
    const message = JSON.stringify({ type: "message", room: name, epoch, offset, id, text });
    room.clients.forEach((client) => client.send(message));
  });
});
