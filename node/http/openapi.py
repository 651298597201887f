"""
The OpenAPI 3.1 document of the API, made of what the endpoints say of themselves.

A variable of an OpenAPI path has no slash, and names of repositories have: `name` is one variable
all the same. The server takes its slashes as they are, and encoded as `%2F`.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
import msgspec.inspect

from node.errors import Unconfirmed
from node.http.answers import Errors
from node.http.docstrings import field_docs
from node.http.endpoint import READS, Answer, Body, Endpoint, errors_of, limits_of
from node.http.errors import meaning_of, wire_of
from node.http.fields import ALWAYS, FIELDS, FIELDS_OF_ERRORS, FIELDS_OF_READS, VARIABLES
from node.http.limit import shown
from node.http.query import Parameter, Single

VERSION: Final = "3.1.0"

JSON: Final = "application/json"

_REF: Final = "#/components/schemas/{name}"

_ABOUT: Final = """\
Any node of a cluster answers for the whole. A path that is not here is 404, and a method that a
path does not have is 405 with `Allow`, both `UNSUPPORTED`. A path with a slash too many is 301 or
308 to the one without. The name of a repository may have slashes, as they are or as `%2F`.
"""

_GROUPS: Final = (
    ("/v2/", "Distribution", "The OCI Distribution API."),
    ("/atoll/", "Admin", "Tags and their history, projects, the cluster."),
    ("/", "Node", "This node alone."),
)

_Json = dict[str, Any]


def describe(endpoints: Iterable[Endpoint[Any]], version: str) -> _Json:
    """The document for *endpoints*, of Atoll *version*."""
    endpoints = tuple(endpoints)
    paths: dict[str, _Json] = {}
    schemas = _Schemas(endpoints)
    for endpoint in endpoints:
        path = paths.setdefault(endpoint.path, {})
        variables = [_variable(name) for name in VARIABLES if f"{{{name}}}" in endpoint.path]
        if variables:
            path["parameters"] = variables
        for method in endpoint.methods:
            path[method.lower()] = _operation(endpoint, method, schemas)
    return {
        "openapi": VERSION,
        "info": {
            "title": "Atoll",
            "version": version,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "tags": [{"name": name, "description": doc} for _, name, doc in _GROUPS],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "headers": {name: _header(doc) for name, doc in FIELDS.items()},
        },
    }


class _Schemas:
    """The JSON schemas of all that is sent and answered."""

    def __init__(self, endpoints: Sequence[Endpoint[Any]]) -> None:
        sent = [each.body.struct for each in endpoints if each.body and each.body.struct]
        answered = [answer.struct for each in endpoints for answer in each.answers if answer.struct]
        types = list(dict.fromkeys([*sent, *answered, Errors]))
        found, components = msgspec.json.schema_components(
            types, schema_hook=_schema_of, ref_template=_REF
        )
        self.components: _Json = _in_ecmascript(components)
        for kind in _classes(msgspec.inspect.multi_type_info(types)):
            properties = self.components[kind.__name__]["properties"]
            for name, doc in field_docs(kind).items():
                if name in properties:
                    properties[name]["description"] = doc
        self._schemas = dict(zip(types, found, strict=True))

    def of(self, struct: type) -> _Json:
        return self._schemas[struct]


def _classes(kinds: Iterable[msgspec.inspect.Type]) -> set[type]:
    """The classes with fields among *kinds*, and in them."""
    found: set[type] = set()
    for kind in kinds:
        match kind:
            case msgspec.inspect.StructType() | msgspec.inspect.DataclassType():
                found |= {kind.cls} | _classes(field.type for field in kind.fields)
            case msgspec.inspect.CollectionType():
                found |= _classes([kind.item_type])
            case msgspec.inspect.UnionType():
                found |= _classes(kind.types)
            case _:
                pass
    return found


def _schema_of(kind: type) -> _Json:
    if issubclass(kind, str):  # digests and names are their text
        return {"type": "string"}
    raise NotImplementedError


def _in_ecmascript(schema: Any) -> Any:
    """*schema* with the anchors of its patterns as ECMAScript has them, and not Python."""
    match schema:
        case dict():
            return {
                key: value.replace(r"\A", "^").replace(r"\Z", "$")
                if key == "pattern" and isinstance(value, str)
                else _in_ecmascript(value)
                for key, value in schema.items()
            }
        case list() | tuple():
            return [_in_ecmascript(each) for each in schema]
        case _:
            return schema


def _operation(endpoint: Endpoint[Any], method: str, schemas: _Schemas) -> _Json:
    suffix = ".head" if method == "HEAD" and endpoint.methods == READS else ""
    operation: _Json = {
        "operationId": f"{endpoint.action}{suffix}",
        "summary": endpoint.doc,
        "tags": [next(name for start, name, _ in _GROUPS if endpoint.path.startswith(start))],
    }
    parameters = [_parameter(each) for each in endpoint.parameters]
    parameters += [_field(name) for name in endpoint.fields]
    if parameters:
        operation["parameters"] = parameters
    if limits := limits_of(endpoint):
        operation["description"] = "Limits: " + "; ".join(
            f"{limit.what}, {shown(limit)}" for limit in limits
        )
    if endpoint.body is not None:
        operation["requestBody"] = _body(endpoint.body, schemas)
    responses: dict[str, _Json] = {}
    for answer in endpoint.answers:
        confirmed = FIELDS_OF_READS if Unconfirmed in endpoint.errors else ()
        responses[str(answer.status)] = _answer(answer, method, confirmed, schemas)
    for status, errors in _by_status(errors_of(endpoint)).items():
        _add_errors(responses.setdefault(str(status), {}), status, errors, schemas)
    if method == "HEAD":
        for response in responses.values():
            response.pop("content", None)
    operation["responses"] = responses
    return operation


def _variable(name: str) -> _Json:
    doc, pattern = VARIABLES[name]
    schema: _Json = {"type": "string", "minLength": 1}
    if pattern:
        schema["pattern"] = pattern
    return {"name": name, "in": "path", "required": True, "description": doc, "schema": schema}


def _parameter(parameter: Parameter[Any]) -> _Json:
    described: _Json = {"name": parameter.name, "in": "query", "description": parameter.doc}
    if isinstance(parameter, Single):
        return {**described, "required": parameter.required, "schema": dict(parameter.schema)}
    return {**described, "schema": {"type": "array", "items": dict(parameter.schema)}}


def _field(name: str) -> _Json:
    schema = {"type": "string"}
    return {"name": name, "in": "header", "description": FIELDS[name], "schema": schema}


def _body(body: Body, schemas: _Schemas) -> _Json:
    schema = {} if body.struct is None else {"schema": schemas.of(body.struct)}
    return {
        "description": body.doc,
        "required": body.required,
        "content": dict.fromkeys(body.media_types, schema),
    }


def _answer(answer: Answer, method: str, fields: Sequence[str], schemas: _Schemas) -> _Json:
    named = (*fields, *(() if method in READS else ("X-Request-Id",)))
    response = {
        "description": answer.doc,
        "headers": _headers((*answer.fields, *named, *ALWAYS)),
    }
    if answer.struct is not None:
        media_types = answer.media_types or (JSON,)
        response["content"] = {each: {"schema": schemas.of(answer.struct)} for each in media_types}
    elif answer.media_types:
        response["content"] = {each: {} for each in answer.media_types}
    return response


def _by_status(errors: Sequence[type[Exception]]) -> dict[int, list[type[Exception]]]:
    found: dict[int, list[type[Exception]]] = {}
    for error in errors:
        found.setdefault(wire_of(error)[0], []).append(error)
    return dict(sorted(found.items()))


def _add_errors(
    response: _Json, status: int, errors: Sequence[type[Exception]], schemas: _Schemas
) -> None:
    meanings: dict[str, list[str]] = {}
    for error in errors:
        meanings.setdefault(wire_of(error)[1], []).append(meaning_of(error))
    told = [f"`{code}`: {'; '.join(texts)}." for code, texts in meanings.items()]
    response["description"] = "\n\n".join([*filter(None, [response.get("description")]), *told])
    fields = (*FIELDS_OF_ERRORS.get(status, ()), "X-Request-Id", *ALWAYS)
    response["headers"] = {**response.get("headers", {}), **_headers(fields)}
    codes = {"properties": {"code": {"enum": list(meanings)}}}
    schema = {"allOf": [schemas.of(Errors), {"properties": {"errors": {"items": codes}}}]}
    content = response.setdefault("content", {}).setdefault(JSON, {})
    content["schema"] = {"anyOf": [content["schema"], schema]} if "schema" in content else schema


def _headers(names: Iterable[str]) -> _Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _header(doc: str) -> _Json:
    return {"description": doc, "schema": {"type": "string"}}
