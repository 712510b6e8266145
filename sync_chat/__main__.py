"""``python -m sync_chat``: the chat on Flask and gunicorn, told everything by the environment."""

import sys

from launch.start import start
from sync_chat.server import serve

if __name__ == "__main__":
    sys.exit(start("sync", serve))
