// The scenario of `loadtest.opinion` in k6: one speaker at a constant rate, everybody listens. Latency counts from when a
// message was meant to be sent, by its text, in whole milliseconds: k6 has no finer clock.
import exec from 'k6/execution';
import http from 'k6/http';
import { Counter, Trend } from 'k6/metrics';
import { WebSocket } from 'k6/websockets';

const told = JSON.parse(__ENV.OPINION);
const delivery = new Trend('delivery', true);
const sent = new Counter('sent');
const settling = 3000; // ms until everybody is inside

export const options = {
  scenarios: { members: { executor: 'per-vu-iterations', vus: told.members, iterations: 1, maxDuration: '5m' } },
  summaryTrendStats: ['count', 'p(50)', 'p(99)'],
};

export default function () {
  const number = exec.vu.idInTest - 1;
  const base = `${told.host}:${told.port}`;
  const session = http.post(`http://${base}/api/session`, JSON.stringify({ name: `member ${number}` }), {
    headers: { 'Content-Type': 'application/json' },
  });
  const socket = new WebSocket(`ws://${base}/ws`, null, { headers: { Authorization: `Bearer ${session.json('token')}` } });
  const length = settling + (1000 * told.messages) / told.rate + 1500;
  socket.onopen = () => {
    socket.send(JSON.stringify({ type: 'join', ref: 1, room: told.room }));
    if (number === 0) setTimeout(() => speak(socket), settling);
    setTimeout(() => socket.close(), length);
  };
  socket.onmessage = (event) => {
    const push = JSON.parse(event.data);
    if (push.type === 'message') delivery.add(Date.now() - 1000 * parseFloat(push.text));
  };
}

function speak(socket) {
  const began = Date.now();
  let number = 0;
  const next = () => {
    const due = began + (1000 * (number + 1)) / told.rate;
    const text = `${(due / 1000).toFixed(6)} ${told.text}`;
    socket.send(JSON.stringify({ type: 'post', ref: number + 2, room: told.room, id: `opinion-${number}`, text }));
    sent.add(1);
    number += 1;
    if (number < told.messages) setTimeout(next, Math.max(0, began + (1000 * (number + 1)) / told.rate - Date.now()));
  };
  setTimeout(next, 1000 / told.rate);
}

export function handleSummary(data) {
  const found = data.metrics.delivery.values;
  const line = { sent: data.metrics.sent.values.count, deliveries: found.count, p50: found['p(50)'] / 1000, p99: found['p(99)'] / 1000 };
  return { stdout: `${JSON.stringify(line)}\n` };
}
