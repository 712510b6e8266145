"""The report: one HTML file that holds its runs and needs no server, where `web/` was built; tables and CSV always."""

import base64
import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from loadtest.record.directory import StoredRun
from loadtest.record.spreadsheet import series_csv, trials_csv
from loadtest.record.tables import render
from stack.server import ROOT

PAGE: Final = ROOT / "web" / "dist" / "report.html"
PLACE: Final = '<script id="run-data" type="application/octet-stream"></script>'


def write_report(stored: StoredRun) -> list[Path]:
    """Write everything into the run's own directory; returns what was written."""
    texts = {"report.md": render(stored), "series.csv": series_csv(stored), "trials.csv": trials_csv(stored)}
    if (page := page_of([stored])) is not None:
        texts["report.html"] = page
    for name, text in texts.items():
        (stored.path / name).write_text(text, encoding="utf-8")
    return [stored.path / name for name in texts]


def page_of(runs: Sequence[StoredRun]) -> str | None:
    """Return the page with ``runs`` inside; None where `web/` has not been built."""
    if not PAGE.exists() or PLACE not in (page := PAGE.read_text(encoding="utf-8")):
        return None
    plain = json.dumps({"runs": [run.as_json() for run in runs]}, allow_nan=False, separators=(",", ":")).encode()
    packed = base64.b64encode(gzip.compress(plain, mtime=0)).decode()  # no time of packing: the same run, the same page
    return page.replace(PLACE, PLACE.replace("></", f">{packed}</"))
