"""`python -m loadtest.record.schemas`: write the JSON Schema of every file of a run directory."""

import json
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter

from loadtest.record.directory import ENVIRONMENT
from loadtest.record.models import FILES

DIRECTORY: Final = Path(__file__).resolve().parents[1] / "schemas"


def schemas() -> dict[str, str]:
    """Return file names and texts. Of a file of lines the schema is that of each line."""
    kinds: dict[str, TypeAdapter[Any]] = {name: TypeAdapter(kind) for name, kind in FILES.items()}
    kinds[ENVIRONMENT] = TypeAdapter(dict[str, str])
    return {
        f"{Path(name).stem}.schema.json": json.dumps(kind.json_schema(mode="serialization"), indent=1) + "\n"
        for name, kind in kinds.items()
    }


def main() -> None:
    DIRECTORY.mkdir(exist_ok=True)
    for name, text in schemas().items():
        (DIRECTORY / name).write_text(text)


if __name__ == "__main__":
    main()
