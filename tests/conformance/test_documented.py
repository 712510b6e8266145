"""Whatever Schemathesis makes of the OpenAPI document, right and wrong, is answered as the document says."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import positive_data_acceptance

from chat_core.api import OPERATIONS
from stack.backends import Backend
from tests.test_openapi_twins import async_document
from tests.wire.people import Person, signed
from tests.wire.servers import Servers

pytestmark = pytest.mark.slow

EXAMPLES = 20
"""Per operation and mode."""
DOCUMENT = schemathesis.openapi.from_dict(async_document())  # that of the other one is equal
DOCUMENT.config.generation.with_security_parameters = False  # a session is given; what is without is asked by a check
FOUND = [result.ok() for result in DOCUMENT.get_all_operations() if isinstance(result, Ok)]
DESCRIBED: dict[str, Any] = {operation.definition.raw["operationId"]: operation for operation in FOUND}


@pytest.fixture(scope="module", params=["async", "sync"])
def backend(request: pytest.FixtureRequest, servers: Servers) -> Backend:
    return servers.backend(request.param)


@pytest.fixture(scope="module")
def person() -> Person:
    return signed()


def test_every_operation_is_asked() -> None:
    assert set(DESCRIBED) == set(OPERATIONS)


ASKED = [
    pytest.param(name, mode, id=f"{name}-{mode.value}")
    for name, operation in DESCRIBED.items()
    for mode in GenerationMode
    # Where nothing is to be given, nothing can be given wrong.
    if mode is GenerationMode.POSITIVE or operation.body or operation.query or operation.path_parameters
]


@pytest.mark.parametrize(("name", "mode"), ASKED)
def test_every_answer_is_a_documented_one(name: str, mode: GenerationMode, backend: Backend, person: Person) -> None:
    @seed(1)
    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(DESCRIBED[name].as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        # Some rules are beyond what a schema can say (one line, not both bounds): then 422, which is documented.
        case.call_and_validate(base_url=backend.url, headers=person.headers, excluded_checks=[positive_data_acceptance])

    ask()
