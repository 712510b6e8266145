"""Both backends describe the same interface, each as its framework found it in its own handlers."""

import ast
import inspect
from collections.abc import Callable
from typing import Any

import pytest

import async_chat.app
import async_chat.routes
import async_chat.runtime
import sync_chat.app
import sync_chat.routes
import sync_chat.runtime
from chat_core import api, openapi
from chat_core.settings import Settings

NOWHERE = "redis://127.0.0.1:1/0"


def async_document() -> dict[str, Any]:
    runtime = async_chat.runtime.Runtime.assemble(Settings("async", NOWHERE))
    return openapi.complete(async_chat.app.build(runtime).rest.openapi())


def sync_document() -> dict[str, Any]:
    runtime = sync_chat.runtime.Runtime.assemble(Settings("sync", NOWHERE))
    return openapi.complete(sync_chat.app.build(runtime).api_doc)


@pytest.fixture(params=[async_document, sync_document])
def document(request: pytest.FixtureRequest) -> dict[str, Any]:
    make: Callable[[], dict[str, Any]] = request.param
    return make()


def test_the_documents_are_equal() -> None:
    # Nothing is normalised: FastAPI writes some bounds as 1.0 where flask-openapi3 writes 1, and these compare equal.
    assert async_document() == sync_document()


def test_every_operation_is_described_with_its_problems(document: dict[str, Any]) -> None:
    described = {
        operation["operationId"]: (method.upper(), path, set(operation["responses"]))
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    assert set(described) == set(api.OPERATIONS)
    for name, operation in api.OPERATIONS.items():
        assert described[name][:2] == (operation.method, operation.path)
        assert described[name][2] >= {str(status) for status in operation.answers}
        assert ("401" in described[name][2]) == operation.session
        assert ("403" in described[name][2]) == (operation.write or "forbidden" in operation.problems)


def references(part: Any) -> set[str]:
    if isinstance(part, dict):
        own = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
        return own.union(*map(references, part.values()))
    return set().union(*map(references, part)) if isinstance(part, list) else set()


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert {name.removeprefix("#/components/schemas/") for name in references(document)} <= set(schemas)
    assert not {name for name in schemas if "Validation" in name}, "the frameworks' own errors are never sent"


@pytest.mark.parametrize("routes", [async_chat.routes, sync_chat.routes])
def test_every_operation_has_a_handler_in_the_order_of_the_table(routes: Any) -> None:
    names = [node.name for node in ast.parse(inspect.getsource(routes)).body if hasattr(node, "name")]
    assert [name for name in names if name in api.OPERATIONS] == list(api.OPERATIONS)
