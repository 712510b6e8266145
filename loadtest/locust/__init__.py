"""Locust beside us: as the conductor of several machines (`bridge.py`), and as a second opinion (`opinion.py`).

Both files are read by Locust, which runs in an environment of its own (`make locust`): importing it replaces sockets
and threads with those of gevent, which the load test must not live under.
"""
