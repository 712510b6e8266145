"""``python -m sync_chat``: the chat on Flask and gunicorn, told everything by the environment."""

import os

if os.environ.get("CHAT_WORKER") == "gevent":
    # gunicorn patches in the worker, when redis has long imported ssl: too late, says gevent, and it is right.
    from gevent import monkey

    monkey.patch_all()

import sys

from launch.start import start
from sync_chat.server import serve

if __name__ == "__main__":
    sys.exit(start("sync", serve))
