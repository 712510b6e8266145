"""The two backends lie side by side: same files, public names and arguments, but for what docs/fairness.md lists."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
SECTION = "## Where the outlines differ"


def outline(package: str) -> set[str]:
    """Return ``file``, ``file name``, ``file name(arguments)`` for all that is public in ``package``."""
    found = set()
    for path in sorted((ROOT / package).glob("*.py")):
        found.add(path.name)
        for node in ast.parse(path.read_text()).body:
            found |= {f"{path.name} {item}" for item in described(node)}
    return found


def described(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return {signature(node)} if public(node.name) else set()
    if isinstance(node, ast.ClassDef) and public(node.name):
        inside = {item for child in node.body for item in described(child)}
        return {node.name} | {f"{node.name}.{item}" for item in inside}
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id.isupper():
        return {node.target.id}
    return set()


def public(name: str) -> bool:
    return not name.startswith("_") or name == "__init__"


def signature(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    # FastAPI hands the request over, Flask has it in a context variable: nothing else is told apart by it.
    given = {"self", "request"}
    arguments = [argument.arg for argument in (*node.args.args, *node.args.kwonlyargs) if argument.arg not in given]
    return f"{node.name}({', '.join(arguments)})"


def listed(package: str) -> set[str]:
    """Return the differences that docs/fairness.md names for ``package``."""
    section = (ROOT / "docs" / "fairness.md").read_text().split(SECTION)[1].split("\n## ")[0]
    column = {"async_chat": 1, "sync_chat": 2}[package]
    rows = [line.split("|") for line in section.splitlines() if line.startswith("| `") or line.startswith("| –")]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row[column])} - {package}


def covered(item: str, names: set[str]) -> bool:
    """Whether ``item`` or what it is a part of is listed."""
    return any(item == name or item.startswith((f"{name} ", f"{name}.", f"{name}(")) for name in names)


def test_both_backends_have_the_same_outline() -> None:
    ours, theirs = outline("async_chat"), outline("sync_chat")
    assert len(ours) > 60, "the outline was not found"
    unlisted = {item for item in ours - theirs if not covered(item, listed("async_chat"))}
    unlisted |= {item for item in theirs - ours if not covered(item, listed("sync_chat"))}
    assert not unlisted, f"differences that docs/fairness.md does not explain: {sorted(unlisted)}"


def test_every_listed_difference_is_one() -> None:
    ours, theirs = outline("async_chat"), outline("sync_chat")
    for package, only in (("async_chat", ours - theirs), ("sync_chat", theirs - ours)):
        idle = {name for name in listed(package) if not any(covered(item, {name}) for item in only)}
        assert not idle, f"docs/fairness.md lists for {package} what is no difference: {sorted(idle)}"


def test_a_difference_would_be_noticed() -> None:
    before = outline("async_chat")
    assert "hub.py Hub.admit(name, connection, page, payload)" in before
    assert not covered("hub.py Hub.admit(name)", {"hub.py Hub.add"})
