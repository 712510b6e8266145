"""Lists and tables in Markdown that are legible as they are."""

from collections.abc import Iterable, Sequence


def bullets(pairs: Iterable[tuple[str, str]]) -> str:
    """Return a list: names and what is said of them; what has no name belongs to the one before."""
    return "\n".join(f"- {name}: {value}" if name else f"    - {value}" for name, value in pairs)


def table(rows: Sequence[tuple[str, ...]]) -> str:
    """Return a table; the first of ``rows`` is its head."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)
