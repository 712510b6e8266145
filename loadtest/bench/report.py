"""Results as text for people: a table per part, what must hold, the ledger, and the circumstances."""

import dataclasses
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from loadtest.bench.format import capitalized, kib, ms, thousands, us
from loadtest.bench.results import (
    DISTURBED,
    OBJECTIVE,
    QUIET_RATE,
    Bench,
    Found,
    Reach,
    Repeats,
    Row,
    Stall,
    StallRun,
    Step,
    without_nan,
)
from loadtest.bench.verdicts import YARDSTICK, judge, spread
from loadtest.record.markdown import bullets, table

HEAD = (
    "target",
    "deliveries/s",
    "× tutorial",
    "p50 quiet",
    "p99 quiet",
    "p99 there",
    "CPU/delivery",
    "of Redis",
    "RSS/conn",
    "threads",
    "CPU/handshake",
    "others",
    "limit",
)

NOTES = """\
deliveries/s: at the rate that was held as often as missed: 99 % of deliveries within {objective:g} ms of when the
message was meant to be sent, nothing lost, doubled, out of order or unanswered; ≥ where the generator or other
processes were the limit of most steps. × tutorial: over {yardstick} in the same shape. Quiet: at {quiet:g} messages/s;
p99 there: of the nearest step that was held. CPU/delivery: of the server's processes, and of its Redis, in that step.
RSS/conn: growth of resident memory per idle member. others: what other processes used of a CPU meanwhile; above
{disturbed:.0%} the row is disturbed. limit: what the nearest step that was missed met."""


def save(bench: Bench, path: Path) -> str:
    """Write all of ``bench`` as JSON to ``path`` and the report beside it; returns the report."""
    path.parent.mkdir(parents=True, exist_ok=True)
    verdicts = [dataclasses.asdict(verdict) | {"outcome": verdict.outcome} for verdict in judge(bench)]
    everything = bench.as_json() | {"must_hold": without_nan(verdicts)}
    path.write_text(json.dumps(everything, indent=1, allow_nan=False) + "\n")
    text = render(bench)
    path.with_suffix(".md").write_text(text)
    return text


def render(bench: Bench) -> str:
    """Return the whole report, in Markdown."""
    parts = [f"# Fan-out, {bench.began}", bullets(bench.environment.items())]
    shapes = {row.shape.name: row.shape for row in bench.rows}
    for shape in shapes.values():
        rows = [row for row in bench.rows if row.shape == shape]
        parts += [f"## {capitalized(shape.title)}", table([HEAD, *(_cells(row, rows) for row in rows)])]
    if bench.rows:
        parts.append(
            NOTES.format(objective=OBJECTIVE * 1e3, yardstick=YARDSTICK, quiet=QUIET_RATE, disturbed=DISTURBED)
        )
    parts += [*_repeats(bench.repeats), *_stalls(bench.stalls), *_reaches(bench.reaches)]
    lines = [(one.outcome, one.bound + (" (aim)" if one.aim else ""), one.measured) for one in judge(bench)]
    parts += ["## Must hold", table([("", "bound", "measured"), *lines])]
    parts += ["## Ledger", _ledger(bench.found), f"The whole took {bench.seconds:.0f} s."]
    return "\n\n".join(parts) + "\n"


def _repeats(found: Sequence[Repeats]) -> Iterator[str]:
    if found:
        yield f"## {QUIET_RATE:g} messages/s in one room of 500, in turns"
        head = ("target", "p99: median (from, to)", "p99 of each repeat", "p50 of each repeat")
        yield table([head, *(_error(one, len(head)) or _repeats_cells(one) for one in found)])
        yield "Every repeat has a server of its own; in each turn all are sent the same."


def _repeats_cells(found: Repeats) -> tuple[str, ...]:
    p99s, p50s = (", ".join(map(ms, values)) for values in (found.p99s, [step.p50 for step in found.steps]))
    return _name(found), spread(found.p99s), p99s, p50s


def _stalls(found: Sequence[Stall]) -> Iterator[str]:
    if found:
        yield f"## {capitalized(found[0].shape.title)}"
        head = (
            "target",
            "not reading",
            "messages/s",
            "p50",
            "p99",
            "longest",
            "closed as slow",
            "resumed",
            "memory",
            "others",
        )
        rows = [row for one in found for row in ([_error(one, len(head))] if one.error else _stall_rows(one))]
        yield table([head, *(row for row in rows if row)])
        yield (
            "p50, p99, longest: of those who read, who are as many in every repeat. memory: by how much the server's "
            "resident memory grew at most. resumed: came back with `since` and had everything once and in order."
        )


def _stall_rows(found: Stall) -> Iterator[tuple[str, ...]]:
    for run in found.runs:
        step, memory = run.step, f"+{run.memory / 2**20:.1f} MiB"
        fate = (str(run.closed), str(run.resumed)) if run.stalled else ("", "")
        yield (
            _name(found),
            str(run.stalled),
            f"{step.rate:g}",
            ms(step.p50),
            ms(step.p99),
            ms(step.longest),
            *fate,
            memory,
            f"{step.others_busy:.0%}",
        )


def _reaches(found: Sequence[Reach]) -> Iterator[str]:
    if found:
        yield f"## One room of {max(one.wanted for one in found):,}"
        head = (
            "target",
            "members",
            "last reached",
            "p50",
            "RSS/conn",
            "threads",
            "CPU/handshake",
            "first",
            "last",
            "limit",
        )
        yield table([head, *(_error(one, len(head)) or _reach_cells(one) for one in found)])
        yield (
            "last reached: from when a message was meant to be sent until the last member had it, the slowest of "
            "several messages. first, last: CPU per handshake of the first and of the last tenth of the members. "
            "limit: what allowed no more members."
        )


def _reach_cells(found: Reach) -> tuple[str, ...]:
    return (
        _name(found),
        thousands(found.shape.connections),
        ms(found.longest),
        ms(max((step.p50 for step in found.steps), default=math.nan)),
        kib(found.memory_per_connection),
        str(found.threads),
        us(found.handshake_cpu),
        us(found.first_handshake_cpu),
        us(found.last_handshake_cpu),
        found.limit,
    )


def _error(found: Found, width: int) -> tuple[str, ...] | None:
    return (_name(found), *[""] * (width - 2), found.error) if found.error else None


def _name(found: Found) -> str:
    return f"{found.target} BROKEN" if found.broken else found.target


def _cells(row: Row, rows: Iterable[Row]) -> tuple[str, ...]:
    if error := _error(row, len(HEAD)):
        return error
    best, quiet = row.there, row.quiet
    yardstick = next((one.rate for one in rows if one.target == YARDSTICK), 0.0)
    ratio = row.rate / yardstick if row.rate and yardstick else math.nan
    bound = "≥ " if row.lower_bound else ""
    return (
        _name(row),
        f"{bound}{thousands(row.rate)}" if best else "none held",
        "" if math.isnan(ratio) else f"{bound}{ratio:.{1 if ratio < 10 else 0}f}",
        ms(quiet.p50 if quiet else math.nan),
        ms(quiet.p99 if quiet else math.nan),
        ms(best.p99 if best else math.nan),
        us(best.server_cpu / best.deliveries if best else math.nan),
        us(best.redis_cpu / best.deliveries if best and row.kind == "tandem" else math.nan),
        kib(row.memory_per_connection),
        str(row.threads),
        us(row.handshake_cpu),
        f"{row.others_busy:.0%}",
        limit(row),
    )


def limit(row: Row) -> str:
    """Return what the step that was missed nearest to the rate that is held met."""
    return reason(row.missed) if row.missed else "not reached"


def reason(step: Step) -> str:
    """Return why a step was missed."""
    if step.disturbed:
        return f"other processes ({step.others_busy:.0%})"
    if step.generator_limited:
        return "generator"
    what = f"p99 {ms(step.p99)}" if step.p99 > OBJECTIVE else "backlog"
    if step.faults:
        what = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in step.faults.items())
    return f"{what}, server CPU {step.server_busy:.0%}"


def progress(row: Found, step: Step) -> str:
    """Return one line about a step that just ended."""
    verdict = "held" if step.held else f"missed: {reason(step)}"
    return (
        f"  {row.target:<18} {step.rate:>8.0f} msg/s  {thousands(step.deliveries_per_second):>10}/s  "
        f"p50 {ms(step.p50):>8}  p99 {ms(step.p99):>8}  server {step.server_busy:>4.0%}  "
        f"generator {step.generator_busy:>4.0%}  others {step.others_busy:>4.0%}  {verdict}"
    )


def progress_stalled(found: Stall, run: StallRun) -> str:
    """Return one line about a repeat that just ended."""
    return (
        f"  {found.target:<18} {run.stalled:>3} not reading: p99 of the others {ms(run.step.p99)}, {run.closed} closed "
        f"as slow, {run.resumed} resumed, memory +{run.memory / 2**20:.0f} MiB, others {run.step.others_busy:.0%}"
    )


def _ledger(rows: Iterable[Found]) -> str:
    lines = []
    for row in rows:
        found = {kind: count for kind, count in row.faults.counts().items() if count}
        said = (
            ", ".join(f"{count:,} {kind}" for kind, count in found.items()) or "nothing lost, doubled or out of order"
        )
        lines.append((f"{row.target}, {row.shape.title}", f"{row.deliveries:,} deliveries: {said}"))
        lines += [("", example[:200]) for example in row.faults.examples]
    return bullets(lines)
