"""Numbers as people read them."""


def quantity(value: float | None, unit: str) -> str:
    """Return ``value``, which is in ``unit``, with a unit that suits its size."""
    if value is None:
        return "–"
    match unit:
        case "seconds":
            return f"{value * 1e3:.3g} ms" if value < 1 else f"{value:.3g} s"
        case "microseconds":
            return f"{value * 1e6:.3g} µs"
        case "bytes":
            return f"{value / 1024:.1f} KiB" if abs(value) < 1 << 20 else f"{value / (1 << 20):.1f} MiB"
        case "share":
            return f"{value:.1%}"
        case _:
            return f"{value:,.0f}"
