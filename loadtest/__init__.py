"""The load test: what the backends, and what people write instead of them, do under many connections.

A seeded plan says who does what and when (`workload`, `schedule`; `plan` for the benchmark). Processes of the generator
hold all connections, act when the plan says so whether or not the server keeps up, and account for every delivery
(`crew/` upon `connection`, `reference`, `ledger`, `histogram`). Who conducts starts what is measured, watches it from
outside, and writes everything down (`conductor/`, `record/`). What follows is computed from the record alone
(`outcome/`). `scenarios/` are the questions. `bench/` finds the highest rates, with a generator of one thread.
"""
