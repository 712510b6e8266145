"""Child processes on one machine: Redis and the backends, each named by how it is run (its profile).

This is the only code that starts servers: `make run`, the tests and the load test all use it. The processes live in
sessions of their own and die with the process that started them, however that one ends (`stack.guard`).
"""

import launch  # noqa: F401 - says which Python is needed, before anything is imported that an older one lacks
