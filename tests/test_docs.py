"""What the documents name is there: files, headings, modules, targets, settings."""

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from stack.server import ROOT

PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\[[^\]]*\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")
FENCED = re.compile(r"```.*?```", re.DOTALL)


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def anchors(page: Path) -> set[str]:
    """The names by which GitHub knows the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", text_of(page)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.name))
def test_links_lead_somewhere(page: Path) -> None:
    for path, anchor in LINK.findall(FENCED.sub("", text_of(page))):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), path
        assert not anchor or anchor in anchors(target), f"{path}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.name))
def test_commands_can_be_given(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"(?:^|`)make ([a-z]+)", text_of(page), re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"make {target}"
    for module in re.findall(r"(?:^|`|/)python3? -m ([\w.]+)", text_of(page), re.MULTILINE):
        assert find_spec(module), f"python -m {module}"
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    for service in re.findall(r"docker compose (?:restart|exec|run --rm) ([\w-]+)", text_of(page)):
        assert service in services, f"docker compose … {service}"


def test_every_variable_of_the_compose_file_is_described() -> None:
    told = text_of(ROOT / "docs" / "operations.md")
    compose = "\n".join(line for line in (ROOT / "compose.yaml").read_text().splitlines() if "#     " not in line)
    named = set(re.findall(r"\$\{(\w+)", compose)) | set(re.findall(r"^      (\w+):$", compose, re.MULTILINE))
    assert {name for name in named if f"`{name}`" not in told} == set()


def test_every_setting_is_described() -> None:
    read = set(re.findall(r'"(CHAT_\w+)"', (ROOT / "chat_core" / "settings.py").read_text()))
    told = text_of(ROOT / "docs" / "operations.md")
    assert {name for name in read if f"`{name}`" not in told} == set()


def test_the_scenario_that_is_shown_can_be_run() -> None:
    (shown,) = re.findall(r"```python\n(.*?)```", text_of(ROOT / "docs" / "loadtest.md"), re.DOTALL)
    module: dict[str, Any] = {}
    exec(shown, module)  # noqa: S102 - it is our own page
    assert module["SCENARIO"].name == "lunch"
    assert all(word in module["__doc__"] for word in ("Question:", "Hypothesis:", "Picture:"))
