"""The OpenAPI document is complete enough for a generated client."""

from __future__ import annotations

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from nas.config import parse_config
from nas.service.application import create_app
from nas.service.description import EXAMPLES, describe, operations
from nas.service.settings import load_settings

#: Reached without a token: a probe, and where a token becomes a session.
PUBLIC = {"get_health", "start_session"}
PROBLEM = {"$ref": "#/components/schemas/Problem"}


@pytest.fixture(scope="module")
def app():
    return create_app(load_settings())


@pytest.fixture(scope="module")
def document(app):
    return describe(app)


@pytest.fixture(scope="module")
def found(document):
    return {operation["operationId"]: operation for operation in operations(document)}


def test_it_is_valid(document):
    OpenAPIV31SpecValidator(document).validate()


def test_every_operation_has_a_name_of_its_own(document, found):
    assert len(found) == len(list(operations(document)))
    assert all(name.islower() and name.count("_") >= 1 and name.isascii() for name in found)


def test_every_operation_says_what_it_does(found):
    silent = [n for n, one in found.items() if not (one.get("summary") and one.get("tags"))]
    assert silent == []


def test_every_operation_but_the_public_ones_needs_a_token(found):
    assert {name for name, one in found.items() if not one.get("security")} == PUBLIC


def test_every_operation_documents_its_errors_as_problems(found):
    for name, operation in found.items():
        errors = {code: one for code, one in operation["responses"].items() if code[0] in "45"}
        assert name in PUBLIC or {"401", "403"} <= set(errors), name
        for code, answer in errors.items():
            assert answer["content"]["application/problem+json"]["schema"] == PROBLEM, (name, code)


def test_every_parameter_and_body_has_a_schema(found):
    for name, operation in found.items():
        for parameter in operation.get("parameters", ()):
            assert parameter["schema"], (name, parameter["name"])
        for kind, body in operation.get("requestBody", {}).get("content", {}).items():
            assert (kind, bool(body["schema"])) == ("application/json", True), name


def test_bodies_of_the_main_operations_have_examples(found):
    for name, example in EXAMPLES.items():
        assert found[name]["requestBody"]["content"]["application/json"]["example"] == example


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_an_example_is_allowed_by_the_schema_of_its_body(document, found, name):
    schema = found[name]["requestBody"]["content"]["application/json"]["schema"]
    Draft202012Validator({**schema, "components": document["components"]}).validate(EXAMPLES[name])


def test_the_search_of_the_examples_is_a_config():
    assert parse_config(EXAMPLES["submit_job"]["config"]).search.trials == 200
