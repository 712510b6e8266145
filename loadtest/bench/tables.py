"""Tables and figures as text."""

import math
from collections.abc import Iterable


def table(rows: list[tuple[str, ...]]) -> str:
    """Return a table in Markdown; the first of ``rows`` is its head."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def bullets(pairs: Iterable[tuple[str, str]]) -> str:
    """Return a list in Markdown: names and what is said of them; what has no name belongs to the one before."""
    return "\n".join(f"- {name}: {value}" if name else f"    - {value}" for name, value in pairs)


def capitalized(text: str) -> str:
    """Return ``text`` with a capital at its beginning, and the rest as it is."""
    return text[:1].upper() + text[1:]


def thousands(number: float) -> str:
    return f"{number:,.0f}"


def ms(seconds: float) -> str:
    """Return a latency; nothing for NaN."""
    if math.isnan(seconds):
        return ""
    return f"{seconds * 1e3:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def us(seconds: float) -> str:
    """Return CPU time; nothing for NaN."""
    if math.isnan(seconds):
        return ""
    return f"{seconds * 1e6:.2f} µs" if seconds < 1e-4 else f"{seconds * 1e6:.0f} µs"


def kib(size: float) -> str:
    """Return bytes; nothing for NaN."""
    return "" if math.isnan(size) else f"{size / 1024:.1f} KiB"
