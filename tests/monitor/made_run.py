"""A run directory as the load test writes it, small and made up: two targets, ten seconds, one repeat."""

from pathlib import Path
from typing import Any, Final

from loadtest.record import models
from loadtest.record.directory import RunWriter
from loadtest.record.models import Connections, Denominators, GeneratorHealth, Latency, Ledger, Messages

LABELS: Final = {"async": "asgi", "sync": "wsgi"}
SECONDS: Final = 10
PER_SECOND: Final = {"async": 250, "sync": 200}
DELIVERED: Final = {label: SECONDS * rate for label, rate in PER_SECOND.items()}


def make_run(directory: Path, name: str = "20260101-000000-made-1") -> Path:
    """Write the run and return its directory."""
    path = directory / name
    with RunWriter(path) as writer:
        writer.write("run.json", _run(name))
        writer.write("plan.json", _plan())
        setting = models.Setting(name="CHAT_WORKERS", values=dict.fromkeys(LABELS, "1"), equal=True)
        writer.write("fairness.json", models.Fairness(settings=[setting]))
        writer.write_environment({"machine": "made up"})
        for label in LABELS:
            for second in range(SECONDS):
                writer.append("series.jsonl", _second(label, second))
                writer.append("servers.jsonl", _sample(label, second))
            writer.append("events.jsonl", _event(label, "fault", "redis frozen", 4.0, 6.0))
            writer.append("trials.jsonl", _trial(label))
        writer.write("verdict.json", _verdict())
    return path


def _run(name: str) -> models.Run:
    targets = [_target(label, model) for label, model in LABELS.items()]
    return models.Run(
        id=name,
        scenario="made",
        question="does the page show what is in the files?",
        hypothesis="it does.",
        picture="two lines.",
        command=["python", "-m", "loadtest"],
        began=1767225600.0,
        ended=1767225630.0,
        status="complete",
        seed=1,
        repeats=1,
        targets=targets,
        order=list(LABELS),
        objectives=[],
    )


def _target(label: str, model: Any) -> models.TargetRecord:
    return models.TargetRecord(label=label, target=label, title=label, model=model)


def _plan() -> models.Plan:
    phase = models.Phase(name="talk", begin=0, end=SECONDS, rate=5, connections=50, measured=True)
    plan: dict[str, Any] = {"scenario": "made", "seed": 1, "workload": {}, "phases": [phase], "duration": SECONDS}
    return models.Plan(**plan, connections=50, posts=50, actions=150, digest="0" * 64)


def _second(label: str, t: int) -> models.Second:
    rate = PER_SECOND[label]
    slow = 0.02 if label == "sync" else 0.01
    latency = Latency(count=rate, p50=slow, p95=2 * slow, p99=3 * slow, max=4 * slow, buckets=[(900, rate)])
    return models.Second(
        t=t,
        at=1767225600.0 + t,
        label=label,
        repeat=0,
        phase="talk",
        connections=Connections(planned=50, handshaking=0, open=50, members=50, refused=0, ended=0),
        messages=Messages(planned=5, sent=5, acknowledged=5, refused=0, unsent=0),
        deliveries=rate,
        recovered=0,
        delivery=latency,
        service=Latency(),
        handshake=Latency(),
        http=Latency(),
        http_failed=0,
        ledger=Ledger(),
        closes={},
        generator=GeneratorHealth(cpu=0.2, send_lag_p99=0.001, loop_lag_p99=0.001, gc_pause=0.0),
    )


def _sample(label: str, t: int) -> models.ServerSample:
    process: dict[str, Any] = {"cpu": 0.25, "rss": 60 << 20, "pss": None, "threads": 4, "fds": 60}
    return models.ServerSample(
        t=t,
        at=1767225600.0 + t,
        label=label,
        repeat=0,
        processes=[models.Process(pid=10, role="server", voluntary=100.0, involuntary=5.0, **process)],
        redis=models.RedisSample(ops=120.0, clients=5, output_buffer=0, memory=1 << 20),
        socket_memory=None,
        scheduler_lag=models.SchedulerLag(p50=0.001, p99=0.002, max=0.003),
    )


def _event(label: str, kind: Any, name: str, t: float, until: float) -> models.Event:
    return models.Event(t=t, at=1767225600.0 + t, label=label, repeat=0, kind=kind, name=name, until=until)


def _trial(label: str) -> models.Trial:
    delivered = DELIVERED[label]
    resources = dict.fromkeys(models.Resources.model_fields)
    return models.Trial(
        label=label,
        repeat=0,
        block=0,
        began=1767225600.0,
        seconds=float(SECONDS),
        status="complete",
        conformance=[],
        phases=[],
        ledger=Ledger(),
        examples=[],
        denominators=Denominators(intended=delivered, connected=delivered, delivered=delivered),
        losses=[],
        closes={},
        resources=models.Resources.model_validate(resources),
        generator=GeneratorHealth(cpu=0.2, send_lag_p99=0.001, loop_lag_p99=0.001, gc_pause=0.0),
        counters={},
        figures={},
    )


def _verdict() -> models.Verdict:
    return models.Verdict(
        validity="valid",
        reasons=[],
        outcome="pass",
        exit_code=0,
        headline="made up, and passed",
        objectives=[],
        hypothesis=[
            models.Checked(text="sync is slower", expected="1 × to 3 ×", found="2 ×", held=True),
            models.Checked(text="nobody notices", expected="at most 10 ms", found="20 ms", held=False),
            models.Checked(text="nothing is refused", expected="0", found="–", held=None),
        ],
        stopped_by={"async": "nothing: no limit was reached"},
        comparisons=[],
        noise=[],
        capacity=[
            models.Capacity(
                label="sync",
                phase="talk",
                rate=5,
                connections=50,
                deliveries_per_second=20_000,
                limit="shout: late",
            )
        ],
        crossover=[],
    )
