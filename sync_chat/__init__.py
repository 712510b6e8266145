"""The chat on Flask and gunicorn: the WSGI shell around ``chat_core``."""

import launch  # noqa: F401 - says which Python is needed, before anything is imported that an older one lacks
