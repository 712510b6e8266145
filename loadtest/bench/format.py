"""Figures as text."""

import math


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
