"""The least that counts as a backend: it reads CHAT_*, listens, has a child process, and says what it was given.

CHAT_STAND_IN names a way to misbehave: `crash` (at start), `silent` (never ready), `stubborn` (ignores SIGTERM).
"""

import json
import os
import signal
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MANNER = os.environ.get("CHAT_STAND_IN", "")


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(503 if MANNER == "silent" else 200)
        self.end_headers()
        self.wfile.write(json.dumps(dict(os.environ)).encode())


def main() -> None:
    if MANNER == "crash":
        sys.exit("the stand-in was told to crash")
    if MANNER == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with ThreadingHTTPServer((os.environ["CHAT_HOST"], int(os.environ["CHAT_PORT"])), Answers) as server:
        subprocess.Popen(["/bin/sleep", "600"])
        server.serve_forever()


if __name__ == "__main__":
    main()
