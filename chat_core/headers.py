"""Headers that every answer carries: what browsers may do with it, who may read it, how long it may be kept."""

from typing import Final

from chat_core.admission import Head, origin_allowed
from chat_core.settings import Settings

_POLICY: Final = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; worker-src 'self' blob:; "
    "connect-src 'self' ws: wss: http: https:; object-src 'none'; base-uri 'self'; form-action 'self';"
)
HASHED: Final = "/assets/"
"""Where the build puts files whose names change with their content."""
_CHANGING: Final = ("/api/", "/healthz", "/readyz", "/metrics")


def common(settings: Settings, head: Head, path: str, status: int) -> list[tuple[str, str]]:
    """Return the headers of an answer with ``status`` to a request for ``path``."""
    headers = [
        ("Content-Security-Policy", _policy(settings)),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("Cache-Control", _cache_control(path, status)),
        ("Vary", "Origin"),
    ]
    if head.origin and origin_allowed(head, settings):
        # A client whose own server is away reads history from the twin: another port, so another origin.
        headers += [
            ("Access-Control-Allow-Origin", head.origin),
            ("Access-Control-Allow-Credentials", "true"),
            ("Access-Control-Expose-Headers", "Retry-After"),
        ]
    return headers


def _policy(settings: Settings) -> str:
    """On loopback the monitor shows both clients side by side, in frames."""
    port = settings.monitor_port
    monitors = f" http://127.0.0.1:{port} http://localhost:{port}" if settings.on_loopback else ""
    return f"{_POLICY} frame-ancestors 'self'{monitors}"


def _cache_control(path: str, status: int) -> str:
    if path.startswith(_CHANGING):
        return "no-store"
    if path.startswith(HASHED) and status in (200, 206, 304):
        return "public, max-age=31536000, immutable"
    return "no-cache"
