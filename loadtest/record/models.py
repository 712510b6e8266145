"""What the files of a run directory hold. Their JSON Schemas, in `loadtest/schemas/`, are made from these models.

Times named ``t`` are seconds since the trial's plan began (below zero while members get in), ``at`` is seconds since
1970; durations are seconds, memory is bytes, CPU is parts of one CPU. What was not measured is null. A *trial* is one
start, warm-up, run and stop of one target; ``label`` names the target among the targets of the run (``async``, and
``async-2`` where the same one is measured twice), ``repeat`` counts its trials from 0.
"""

from loadtest.record.asked import Event, Expectation, Fairness, Objective, Phase, Plan, Run, Setting, TargetRecord
from loadtest.record.base import Latency, Record
from loadtest.record.seconds import Connections, GeneratorHealth, Ledger, Messages, Second
from loadtest.record.servers import Process, RedisSample, SchedulerLag, ServerSample
from loadtest.record.trials import Denominators, Loss, Percentiles, PhaseResult, Resources, Trial
from loadtest.record.verdict import Capacity, Checked, Compared, Crossover, Judged, Verdict

FORMAT = 1
"""Grows when a reader of the former one would misunderstand."""

FILES: dict[str, type[Record]] = {
    "run.json": Run,
    "plan.json": Plan,
    "fairness.json": Fairness,
    "series.jsonl": Second,
    "servers.jsonl": ServerSample,
    "events.jsonl": Event,
    "trials.jsonl": Trial,
    "verdict.json": Verdict,
}
"""What lies in a run directory, beside ``environment.json``: one object of names and texts."""

__all__ = [
    "FILES",
    "FORMAT",
    "Capacity",
    "Checked",
    "Compared",
    "Connections",
    "Crossover",
    "Denominators",
    "Event",
    "Expectation",
    "Fairness",
    "GeneratorHealth",
    "Judged",
    "Latency",
    "Ledger",
    "Loss",
    "Messages",
    "Objective",
    "Percentiles",
    "Phase",
    "PhaseResult",
    "Plan",
    "Process",
    "Record",
    "RedisSample",
    "Resources",
    "Run",
    "SchedulerLag",
    "Second",
    "ServerSample",
    "Setting",
    "TargetRecord",
    "Trial",
    "Verdict",
]
