"""The monitor's line to the stack that started it: what runs, and what is to be hurt."""

import asyncio
import json
from typing import Any, Final

PATIENCE: Final = 90.0
"""Seconds that an act may take, with what it hurt set right again."""


class StackLinkError(Exception):
    """The stack cannot be asked, or refused. The text is one line for a person."""


class StackLink:
    """Asks over the unix socket at ``path``; a connection per question, so that a long act holds up nothing."""

    def __init__(self, path: str) -> None:
        self._path = path

    async def describe(self) -> dict[str, Any]:
        """Return the servers with their process numbers, and where Redis is. Raises StackLinkError."""
        return await self._ask({"do": "describe"}, 1.0)

    async def hurt(self, what: str, server: str, seconds: float) -> float:
        """Do it and wait until it is set right; return the seconds that took. Raises StackLinkError."""
        answer = await self._ask({"do": what, "server": server, "seconds": seconds}, PATIENCE)
        return float(answer["seconds"])

    async def _ask(self, question: dict[str, Any], patience: float) -> dict[str, Any]:
        try:
            async with asyncio.timeout(patience):
                reader, writer = await asyncio.open_unix_connection(self._path)
                try:
                    writer.write(json.dumps(question).encode() + b"\n")
                    line = await reader.readline()
                finally:
                    writer.close()
            answer: dict[str, Any] = json.loads(line)
        except (OSError, TimeoutError, ValueError) as error:
            raise StackLinkError(f"the stack does not answer: {str(error) or 'not in time'}") from None
        if "error" in answer:
            raise StackLinkError(answer["error"])
        return answer
