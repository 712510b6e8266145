"""``python -m launch.ready``: is the backend ready that the environment describes? A container's health check.

Exit code 0, or 1 and one line that says why not.
"""

import http.client
import os
import sys
from collections.abc import Mapping
from typing import Final

PATIENCE: Final = 3.0
"""Seconds; a backend that is ready answers in milliseconds."""
_ANY: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - it is looked up, not bound


def unready(environment: Mapping[str, str]) -> str | None:
    """Return why the backend at ``CHAT_HOST`` and ``CHAT_PORT`` is not ready; None if it is."""
    host, port = environment.get("CHAT_HOST", ""), environment.get("CHAT_PORT", "")
    connection = http.client.HTTPConnection(_ANY.get(host, host), int(port or 0), timeout=PATIENCE)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        return None if answer.status == http.HTTPStatus.OK else answer.read(1000).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return f"no answer on port {port}: {error}"
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(unready(os.environ))
