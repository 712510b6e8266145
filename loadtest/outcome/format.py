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
        case "times":
            return f"{value:.2f} ×"
        case "share":
            return f"{value:.1%}"
        case _:
            return f"{value:,.0f}"


def bounds(least: float | None, most: float | None, unit: str) -> str:
    """Return what is allowed, in words."""
    if least is None or most is None:
        return f"at most {quantity(most, unit)}" if least is None else f"at least {quantity(least, unit)}"
    return quantity(least, unit) if least == most else f"{quantity(least, unit)} to {quantity(most, unit)}"
