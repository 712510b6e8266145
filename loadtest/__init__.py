"""The load test: what the backends, and what people write instead of them, do under many connections.

A seeded plan says who posts what and when (`plan`). One process keeps all connections, posts when the plan says so
whether or not the server keeps up, and accounts for every delivery (`generator`, `ledger`, `histogram`). Servers are
watched from outside (`sampler`). What was found is data (`results`) before it is a table (`report`).
"""
