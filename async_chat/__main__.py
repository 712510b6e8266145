"""``python -m async_chat``: the chat on FastAPI and uvicorn, told everything by the environment."""

import sys

from async_chat.server import serve
from launch.start import start

if __name__ == "__main__":
    sys.exit(start("async", serve))
