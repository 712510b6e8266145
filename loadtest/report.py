"""Results as text for people: a table per shape, the ledger, and the circumstances."""

import math
from collections.abc import Iterable

from loadtest.results import DISTURBED, OBJECTIVE, Bench, Row, Step

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
YARDSTICK = "fastapi-tutorial"

NOTES = """\
deliveries/s: the highest rate that was held: 99 % of deliveries within {objective:g} ms of when the message was meant
to be sent, nothing lost, doubled, out of order or unanswered; ≥ where the generator or other processes were the
limit. × tutorial: over
{yardstick} in the same shape. Quiet: at {quiet:g} messages/s; p99 there: at the rate held. CPU/delivery: of the
server's processes, and of its Redis, at the rate held. RSS/conn: growth of resident memory per idle member.
others: what other processes used of a CPU meanwhile; above {disturbed:.0%} the
row is disturbed. limit: what the next faster step met."""


def render(bench: Bench) -> str:
    """Return the whole report, in Markdown."""
    parts = [f"# Fan-out, {bench.began}", _bullets(bench.environment.items())]
    shapes = {row.shape.name: row.shape for row in bench.rows}
    for shape in shapes.values():
        rows = [row for row in bench.rows if row.shape == shape]
        parts += [f"## {shape.title[0].upper()}{shape.title[1:]}", _table([HEAD, *(_cells(row, rows) for row in rows)])]
    if bench.rows:
        quiet = bench.rows[0].quiet_rate
        parts.append(NOTES.format(objective=OBJECTIVE * 1e3, yardstick=YARDSTICK, quiet=quiet, disturbed=DISTURBED))
    parts += ["## Ledger", _ledger(bench.rows), f"The whole took {bench.seconds:.0f} s."]
    return "\n\n".join(parts) + "\n"


def _cells(row: Row, rows: Iterable[Row]) -> tuple[str, ...]:
    name = f"{row.target} BROKEN" if row.broken else row.target
    if row.error:
        return (name, *[""] * (len(HEAD) - 2), row.error)
    best, quiet = row.sustained, row.quiet
    yardstick = next((one.sustained for one in rows if one.target == YARDSTICK), None)
    ratio = best.deliveries_per_second / yardstick.deliveries_per_second if best and yardstick else math.nan
    bound = "≥ " if row.lower_bound else ""
    return (
        name,
        f"{bound}{_thousands(best.deliveries_per_second)}" if best else "none held",
        "" if math.isnan(ratio) else f"{bound}{ratio:.{1 if ratio < 10 else 0}f}",
        _ms(quiet.p50 if quiet else math.nan),
        _ms(quiet.p99 if quiet else math.nan),
        _ms(best.p99 if best else math.nan),
        _us(best.server_cpu / best.deliveries if best else math.nan),
        _us(best.redis_cpu / best.deliveries if best and row.kind == "tandem" else math.nan),
        f"{row.memory_per_connection / 1024:.1f} KiB",
        str(row.threads),
        _us(row.handshake_cpu),
        f"{row.others_busy:.0%}",
        limit(row),
    )


def limit(row: Row) -> str:
    """Return what the slowest step that was missed above the best one met."""
    return reason(row.next_missed) if row.next_missed else "not reached"


def reason(step: Step) -> str:
    """Return why a step was missed."""
    if step.disturbed:
        return f"other processes ({step.others_busy:.0%})"
    if step.generator_limited:
        return "generator"
    what = f"p99 {_ms(step.p99)}" if step.p99 > OBJECTIVE else "backlog"
    if step.faults:
        what = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in step.faults.items())
    return f"{what}, server CPU {step.server_busy:.0%}"


def progress(row: Row, step: Step) -> str:
    """Return one line about a step that just ended."""
    verdict = "held" if step.held else f"missed: {reason(step)}"
    return (
        f"  {row.target:<18} {step.rate:>8.0f} msg/s  {_thousands(step.deliveries_per_second):>10}/s  "
        f"p50 {_ms(step.p50):>8}  p99 {_ms(step.p99):>8}  server {step.server_busy:>4.0%}  "
        f"generator {step.generator_busy:>4.0%}  others {step.others_busy:>4.0%}  {verdict}"
    )


def _ledger(rows: Iterable[Row]) -> str:
    lines = []
    for row in rows:
        found = {kind: count for kind, count in row.faults.counts().items() if count}
        said = (
            ", ".join(f"{count:,} {kind}" for kind, count in found.items()) or "nothing lost, doubled or out of order"
        )
        deliveries = sum(step.deliveries for step in row.steps)
        lines.append((f"{row.target}, {row.shape.title}", f"{deliveries:,} deliveries: {said}"))
        lines += [("", example[:200]) for example in row.faults.examples]
    return _bullets(lines)


def _bullets(pairs: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f"- {name}: {value}" if name else f"    - {value}" for name, value in pairs)


def _table(rows: list[tuple[str, ...]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _thousands(number: float) -> str:
    return f"{number:,.0f}"


def _ms(seconds: float) -> str:
    if math.isnan(seconds):
        return ""
    return f"{seconds * 1e3:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _us(seconds: float) -> str:
    if math.isnan(seconds):
        return ""
    return f"{seconds * 1e6:.2f} µs" if seconds < 1e-4 else f"{seconds * 1e6:.0f} µs"
