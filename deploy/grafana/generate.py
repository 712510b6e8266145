"""Writes the dashboard of Grafana: the panels of the monitor's own page, from what Prometheus scraped.

python deploy/grafana/generate.py    writes deploy/grafana/dashboards/tandem.json; a test says when that is due
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

DASHBOARD: Final = Path(__file__).parent / "dashboards" / "tandem.json"
SOURCE: Final = {"type": "prometheus", "uid": "prometheus"}
COLOURS: Final = {"async": "#0b9a86", "sync": "#d8862f"}
WIDE: Final = 8
HIGH: Final = 7
PER_ROW: Final = 3


@dataclass(frozen=True)
class Panel:
    """One chart: expressions by the name of their lines, ``{}`` in an expression is the choice of backends."""

    title: str
    about: str
    unit: str
    lines: tuple[tuple[str, str], ...]


def _rate(name: str, labels: str = "") -> str:
    return f"sum by (backend) (rate({name}{{{{backend=~'$backend'{labels}}}}}[$__rate_interval]))"


def _sum(name: str) -> str:
    return f"sum by (backend) ({name}{{{{backend=~'$backend'}}}})"


def _quantile(quantile: float, name: str) -> str:
    buckets = f"sum by (backend, le) (rate({name}_bucket{{{{backend=~'$backend'}}}}[$__rate_interval]))"
    return f"histogram_quantile({quantile}, {buckets})"


PEOPLE: Final = (
    Panel("Connections", "Open at the server.", "short", (("", _sum("chat_connections_open")),)),
    Panel("Messages", "Posts received per second.", "cps", (("", _rate("chat_commands_total", ",type='post'")),)),
    Panel("Deliveries", "Log entries written to members per second.", "cps", (("", _rate("chat_deliveries_total")),)),
    Panel(
        "Relay lag",
        "From the commit in Redis to the server's relay.",
        "s",
        ((" p99", _quantile(0.99, "chat_relay_lag_seconds")), (" p50", _quantile(0.5, "chat_relay_lag_seconds"))),
    ),
    Panel("Refused commands", "Answered with an error, per second.", "cps", (("", _rate("chat_refusals_total")),)),
    Panel(
        "Closed and refused",
        "Connections that the server closed, and handshakes that it did not accept, per second.",
        "cps",
        (
            (" closed", _rate("chat_disconnects_total")),
            (" refused", _rate("chat_handshakes_total", ",outcome!='accepted'")),
        ),
    ),
    Panel(
        "Resets and gaps",
        "Members told that what they missed cannot be had; rooms filled from the log. Per second.",
        "cps",
        ((" resets", _rate("chat_resets_total")), (" gaps filled", _rate("chat_gaps_filled_total"))),
    ),
    Panel(
        "Delivery proved",
        "Seconds since the last worker saw a probe of its own come back through Redis.",
        "s",
        (("", "max by (backend) (chat_proof_age_seconds{{backend=~'$backend'}})"),),
    ),
)
MACHINES: Final = (
    Panel("Workers", "Processes that are alive.", "short", (("", _sum("chat_workers")),)),
    Panel("Threads", "Of all workers.", "short", (("", _sum("chat_threads")),)),
    Panel(
        "Scheduler lag",
        "How late something that is due gets to run inside the server.",
        "s",
        (
            (" p99", _quantile(0.99, "chat_scheduler_lag_seconds")),
            (" p50", _quantile(0.5, "chat_scheduler_lag_seconds")),
        ),
    ),
    Panel(
        "Outbox", "Written to connections, not taken by the kernel yet.", "bytes", (("", _sum("chat_outbox_bytes")),)
    ),
    Panel(
        "Slow consumers",
        "Connections closed because they did not read, per second.",
        "cps",
        (("", _rate("chat_slow_consumers_total")),),
    ),
    Panel(
        "Commits",
        "One call of the commit script.",
        "s",
        ((" p99", _quantile(0.99, "chat_commit_seconds")), (" p50", _quantile(0.5, "chat_commit_seconds"))),
    ),
)


def dashboard() -> dict[str, Any]:
    """Return the dashboard as Grafana reads it."""
    panels: list[dict[str, Any]] = []
    top = 0
    for title, group in (("What people notice", PEOPLE), ("What it costs", MACHINES)):
        panels.append({"type": "row", "title": title, "id": len(panels) + 1, "gridPos": _place(0, top, 24, 1)})
        for number, panel in enumerate(group):
            place = _place(number % PER_ROW * WIDE, top + 1 + number // PER_ROW * HIGH, WIDE, HIGH)
            panels.append(_drawn(panel, len(panels) + 1, place))
        top += 1 + -(-len(group) // PER_ROW) * HIGH
    return {
        "uid": "tandem",
        "title": "Tandem",
        "description": "FastAPI and Flask on the same axes.",
        "schemaVersion": 41,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "5s",
        "time": {"from": "now-15m", "to": "now"},
        "templating": {"list": [_choice()]},
        "panels": panels,
    }


def _drawn(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    return {
        "type": "timeseries",
        "id": number,
        "title": panel.title,
        "description": panel.about,
        "datasource": SOURCE,
        "gridPos": place,
        "targets": [
            {"refId": chr(ord("A") + index), "expr": expression.format(), "legendFormat": f"{{{{backend}}}}{name}"}
            for index, (name, expression) in enumerate(panel.lines)
        ],
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "min": 0, "custom": {"lineWidth": 2, "showPoints": "never"}},
            "overrides": [_coloured(backend, colour) for backend, colour in COLOURS.items()],
        },
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
    }


def _coloured(backend: str, colour: str) -> dict[str, Any]:
    """One colour per backend everywhere; sync is dashed, for whom colours say nothing."""
    dashes = {"fill": "dash" if backend == "sync" else "solid", "dash": [8, 4]}
    return {
        "matcher": {"id": "byRegexp", "options": f"/^{backend}/"},
        "properties": [
            {"id": "color", "value": {"mode": "fixed", "fixedColor": colour}},
            {"id": "custom.lineStyle", "value": dashes},
        ],
    }


def _choice() -> dict[str, Any]:
    return {
        "name": "backend",
        "type": "query",
        "datasource": SOURCE,
        "query": "label_values(chat_workers, backend)",
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "current": {"text": "All", "value": "$__all"},
    }


def _place(x: int, y: int, w: int, h: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": w, "h": h}


def main() -> None:
    DASHBOARD.write_text(json.dumps(dashboard(), indent=1) + "\n")


if __name__ == "__main__":
    main()
