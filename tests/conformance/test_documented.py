"""Whatever Schemathesis makes of the OpenAPI document, right and wrong, is answered as the document says."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import BaseSchema, Case

from stack.backends import Backend
from tests.wire.people import Person, signed
from tests.wire.servers import Servers

pytestmark = pytest.mark.slow

EXAMPLES = 25
"""Per operation, beside those that its constraints alone call for."""
documented = schemathesis.pytest.from_fixture("document")


@pytest.fixture(scope="module", params=["async", "sync"])
def backend(request: pytest.FixtureRequest, servers: Servers) -> Backend:
    return servers.backend(request.param)


@pytest.fixture(scope="module")
def person() -> Person:
    return signed()


@pytest.fixture(scope="module")
def document(backend: Backend) -> BaseSchema:
    return schemathesis.openapi.from_url(f"{backend.url}/openapi.json")


@documented.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_every_answer_is_a_documented_one(case: Case[Any], person: Person) -> None:
    case.call_and_validate(headers=person.headers)
