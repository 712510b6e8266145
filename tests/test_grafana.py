"""The dashboard of Grafana is what its generator makes, and asks only for what there is."""

import json
import re

import pytest

from chat_core.metrics import Metrics
from deploy.grafana.generate import COLOURS, DASHBOARD, dashboard
from launch import exposition

ASIDE = {"chat_workers", "chat_proof_age_seconds"}
"""What the process beside the workers adds."""


def test_the_file_is_what_the_generator_makes() -> None:
    """`python deploy/grafana/generate.py` writes it."""
    assert json.loads(DASHBOARD.read_text()) == dashboard()


def test_every_series_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    exposed = set(re.findall(r"^(chat_\w+)", Metrics().render().decode(), re.M)) | ASIDE
    asked = {
        name
        for panel in dashboard()["panels"]
        for target in panel.get("targets", [])
        for name in re.findall(r"chat_\w+", target["expr"])
    }
    assert len(asked) > 15
    assert asked <= exposed
    source = exposition.Workers.collect.__code__.co_consts
    assert set(source) >= ASIDE


def test_expressions_are_balanced_and_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
        for target in panel.get("targets", []):
            expression = target["expr"]
            assert all(expression.count(a) == expression.count(b) for a, b in ("()", "[]", "{}")), expression
            assert "{{" not in expression
            assert target["legendFormat"].startswith("{{backend}}")
    assert set(COLOURS) == {"async", "sync"}
