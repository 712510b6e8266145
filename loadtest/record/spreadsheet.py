"""A stored run as CSV, for spreadsheets."""

import csv
import io

from loadtest.record.directory import StoredRun


def series_csv(stored: StoredRun) -> str:
    """Return the series with one line per second and trial; durations in seconds."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    head = ["label", "repeat", "t", "phase", "members", "open", "handshaking", "planned", "sent", "acknowledged"]
    head += ["refused", "unsent", "deliveries", "recovered", "p50", "p95", "p99", "max", "service_p99", "handshake_p99"]
    head += ["http_p99", "lost", "duplicated", "reordered", "corrupt", "foreign", "generator_cpu"]
    rows.writerow(head)
    for one in stored.series():
        connections, messages, ledger = one.connections, one.messages, one.ledger
        cells = [one.label, one.repeat, one.t, one.phase, connections.members, connections.open]
        cells += [connections.handshaking, messages.planned, messages.sent, messages.acknowledged, messages.refused]
        cells += [messages.unsent, one.deliveries, one.recovered, one.delivery.p50, one.delivery.p95, one.delivery.p99]
        cells += [one.delivery.max, one.service.p99, one.handshake.p99, one.http.p99, ledger.lost, ledger.duplicated]
        cells += [ledger.reordered, ledger.corrupt, ledger.foreign, one.generator.cpu]
        rows.writerow(cells)
    return text.getvalue()


def trials_csv(stored: StoredRun) -> str:
    """Return one line per trial and phase: what percentiles are read from lies in trials.jsonl."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    head = ["label", "repeat", "phase", "planned", "sent", "acknowledged", "deliveries", "seconds", "p50", "p95", "p99"]
    rows.writerow([*head, "max", "service_p99", "uncorrected_p99", "first_p50", "last_p50", "handshake_p99"])
    for trial in stored.trials:
        for phase in trial.phases:
            found = phase.latency
            cells = [trial.label, trial.repeat, phase.name, phase.planned, phase.sent, phase.acknowledged]
            cells += [phase.deliveries, phase.seconds, found.delivery.p50, found.delivery.p95, found.delivery.p99]
            cells += [found.delivery.max, found.service.p99, found.uncorrected.p99, found.first.p50, found.last.p50]
            rows.writerow([*cells, found.handshake.p99])
    return text.getvalue()
