"""The few requests that are made of the backends, by what Python brings along."""

import http.client
import json
from typing import Any
from urllib.parse import urlsplit


class RequestError(Exception):
    """No answer, or not the one that was wanted. The text is one line."""


def post(url: str, body: dict[str, Any], patience: float) -> Any:
    """Send ``body`` as JSON and return the JSON of the answer; raise RequestError."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=patience)
    try:
        connection.request("POST", parts.path, json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        read = answer.read()
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            raise RequestError(f"{url} answers {answer.status}: {read[:200].decode(errors='replace')}")
        return json.loads(read)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise RequestError(f"{url} does not answer: {error!r}") from None
    finally:
        connection.close()
