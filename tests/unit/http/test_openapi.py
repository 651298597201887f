"""The OpenAPI document: valid, and with all that there is."""

import json
import re
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from node.edge import ENDPOINTS, SERVED, described
from node.errors import MethodNotAllowed
from node.http import cors
from node.http.endpoint import Endpoint, errors_of
from node.http.errors import WIRE, wire_of
from node.http.fields import ALWAYS, FIELDS, FIELDS_OF_ERRORS, FIELDS_OF_READS, VARIABLES

DOCUMENT = json.loads(described())
OPERATIONS = [
    pytest.param(endpoint, method, id=f"{method} {endpoint.path}")
    for endpoint in ENDPOINTS
    for method in endpoint.methods
]


def codes_of(schema: Any) -> set[str]:
    """Every code that a schema lets an error have."""
    match schema:
        case {"code": {"enum": codes}}:
            return set(codes)
        case dict():
            return {code for value in schema.values() for code in codes_of(value)}
        case list():
            return {code for value in schema for code in codes_of(value)}
        case _:
            return set()


def test_the_document_is_valid():
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_no_more_is_described_than_is_served():
    described = {
        (path, method.upper())
        for path, item in DOCUMENT["paths"].items()
        for method in item
        if method != "parameters"
    }
    assert described == {(each.path, method) for each in ENDPOINTS for method in each.methods}


@pytest.mark.parametrize(("endpoint", "method"), OPERATIONS)
def test_every_answer_and_every_error_is_described(endpoint: Endpoint[Any], method: str):
    responses = DOCUMENT["paths"][endpoint.path][method.lower()]["responses"]
    statuses = {answer.status for answer in endpoint.answers}
    for error in errors_of(endpoint):
        status, code = wire_of(error)
        statuses.add(status)
        response = responses[str(status)]
        assert f"`{code}`" in response["description"]
        assert method == "HEAD" or code in codes_of(response["content"])
    assert {int(status) for status in responses} == statuses


@pytest.mark.parametrize(("endpoint", "method"), OPERATIONS)
def test_every_variable_and_parameter_is_described(endpoint: Endpoint[Any], method: str):
    item = DOCUMENT["paths"][endpoint.path]
    given = [*item.get("parameters", ()), *item[method.lower()].get("parameters", ())]
    described = {(each["in"], each["name"]) for each in given}
    assert described == {
        *(("path", name) for name in re.findall(r"\{(\w+)\}", endpoint.path)),
        *(("query", parameter.name) for parameter in endpoint.parameters),
        *(("header", name) for name in endpoint.fields),
    }
    assert all(each["description"] for each in given)


def test_every_error_is_some_endpoints():
    """Broken: nobody is told of a refusal, or it is one that nobody gives any more."""
    told = {error for endpoint in SERVED for error in errors_of(endpoint)}
    assert set(WIRE) - told == {MethodNotAllowed}


def test_every_word_is_used():
    """Broken: a field or a variable is explained that nothing has."""
    fields = {
        *ALWAYS,
        *FIELDS_OF_READS,
        "X-Request-Id",
        *(name for names in FIELDS_OF_ERRORS.values() for name in names),
        *(name for each in ENDPOINTS for name in each.fields),
        *(name for each in ENDPOINTS for answer in each.answers for name in answer.fields),
    }
    assert fields == set(FIELDS)
    paths = "".join(endpoint.path for endpoint in ENDPOINTS)
    assert {name for name in VARIABLES if f"{{{name}}}" in paths} == set(VARIABLES)


def test_pages_of_other_sites_see_and_send_the_fields_that_are_described():
    """Broken: a page in a browser does not see a field that a client needs."""
    sent = {name for endpoint in ENDPOINTS for name in endpoint.fields}
    assert sent <= set(cors.SENT.split(", "))
    answered = {name for each in ENDPOINTS for answer in each.answers for name in answer.fields}
    safelisted = {"Cache-Control"}  # a page sees it in any case
    assert answered - safelisted <= set(cors.SHOWN.split(", "))
