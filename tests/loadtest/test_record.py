"""The files of a run directory, and their schemas."""

import json

from loadtest.record.schemas import DIRECTORY, schemas


def test_schemas_are_those_of_the_models() -> None:
    """`python -m loadtest.record.schemas` writes them."""
    written = {path.name: path.read_text() for path in DIRECTORY.glob("*.json")}
    assert written == schemas()
    assert json.loads(written["series.schema.json"])["title"] == "Second"
