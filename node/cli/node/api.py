"""`atoll api`: what a node serves, for programs and for people."""

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from node.cli.options import Json, for_people_alone

if TYPE_CHECKING:
    from node.http.endpoint import Endpoint


def api(
    *,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the reference of the admin API instead.")
    ] = False,
    limits: Annotated[
        bool, typer.Option("--limits", help="Print the table of the edge's limits instead.")
    ] = False,
    metrics: Annotated[
        bool, typer.Option("--metrics", help="Print the reference of the metrics instead.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Print the OpenAPI document of all that a node serves; `/openapi.json` answers the same."""
    if limits and as_json:
        typer.echo(json.dumps(limit_rows()))
        return
    if metrics:
        typer.echo(json.dumps(metric_rows()) if as_json else metrics_page(), nl=as_json)
        return
    if markdown:
        for_people_alone(as_json=as_json)
    if markdown or limits:
        typer.echo(reference() if markdown else limits_table(), nl=False)
        return
    from node.edge import described

    typer.echo(described().decode())


_INTRODUCTION: Final = """\
# Admin API

Under `/atoll/v1/` at the address in `admin` of every node, which is one of its own machine; any
node answers for the whole cluster. Commands find it by `--data-dir`. All that a node serves is
there, and with `auth = open` at the registry's port as well; else that has `/v2/`, `/token` and
`/metrics`, and the status of `/healthz` and `/readyz` without a body
([decision 32](decisions/0032-listeners.md)). What events, heads, policies and departures are,
[operations.md](operations.md) tells.

Bodies are JSON. A refusal is one as well, as those of the Distribution API are:
`{"errors": [{"code": ..., "message": ..., "detail": ...}]}`; `message` is for people, `detail` may
be left out. Lists come in pages, and a `Link` leads to the next one.

`GET /openapi.json` describes all that a node serves, the Distribution API included, by OpenAPI 3.1.
This page is the output of `atoll api --markdown`.
"""

_ANYWHERE: Final = """
## Anywhere

Any request may be refused with these; no endpoint below names them again. A path that is not
served is 404, and a method that a path does not have 405 with `Allow`, both `UNSUPPORTED`.

"""


def reference() -> str:
    """The reference of the admin API, and of what is asked about one node, in Markdown."""
    from node.edge import ENDPOINTS
    from node.http.endpoint import ANY_REQUEST

    shown = [each for each in ENDPOINTS if not each.path.startswith("/v2/")]
    overview = [(f"[`{_route(each)}`](#{_anchor(_route(each))})", each.doc) for each in shown]
    return "".join(
        [
            _INTRODUCTION,
            "\n",
            *_table(("route", "what it does"), overview),
            _ANYWHERE,
            *_table(("status", "code", "when"), _refusals(ANY_REQUEST)),
            *(line for each in shown for line in _section(each)),
        ]
    )


def limit_rows() -> list[dict[str, object]]:
    """The limits of the edge, for programs."""
    from node.http.errors import wire_of
    from node.http.limits import LIMITS

    rows: list[dict[str, object]] = []
    for limit in LIMITS:
        status, code = wire_of(limit.error) if limit.error else (None, None)
        rows.append(
            {
                "what": limit.what,
                "number": limit.number,
                "unit": str(limit.unit),
                "setting": limit.setting,
                "for": str(limit.counts),
                "status": status,
                "code": code,
                "beyond": limit.beyond,
            }
        )
    return rows


def limits_table() -> str:
    """The limits of the edge, in Markdown."""
    from node.http.errors import wire_of
    from node.http.limit import shown
    from node.http.limits import LIMITS

    rows = []
    for limit in LIMITS:
        status, code = wire_of(limit.error) if limit.error else (0, "")
        beyond = [f"{status} `{code}`" if status else "", limit.beyond]
        setting = f" (`{limit.setting}`)" if limit.setting else ""
        told = ": ".join(filter(None, beyond))
        rows.append((limit.what, f"{shown(limit)}{setting}", str(limit.counts), told))
    return "".join(_table(("what", "limit", "for", "beyond it"), rows))


_METRICS: Final = """\
# Metrics

`GET /metrics` of every node, in the text format of Prometheus; how they are scraped, watched and
shown is in [monitoring.md](monitoring.md). This page is the output of `atoll api --metrics`.

Counters begin at 0 with the process. What exists is read when somebody scrapes. Who wants few
series keeps those that the rules and the dashboard name.
"""


def metric_rows() -> list[dict[str, object]]:
    """The metrics, for programs."""
    from node.admin.metric_tables import SECTIONS

    return [
        {"name": each.shown, "kind": str(each.kind), "labels": each.labels, "text": each.text}
        for section in SECTIONS
        for each in section.described
    ]


def metrics_page() -> str:
    """The reference of the metrics, in Markdown."""
    from node.admin.metric_tables import LABELS, SECTIONS

    parts = [_METRICS]
    for section in SECTIONS:
        rows = [
            (f"`{each.shown}`", str(each.kind), _listed(each.labels), each.text)
            for each in section.described
        ]
        parts += [f"\n## {section.title}\n\n", *_table(("metric", "kind", "labels", "what"), rows)]
    labels = [(f"`{name}`", text) for name, text in LABELS.items()]
    return "".join([*parts, "\n## Labels\n\n", *_table(("label", "what it has"), labels), _PROCESS])


_PROCESS: Final = """
## The process

Beside these there are the usual ones of the process and of Python: `process_cpu_seconds_total`,
`process_resident_memory_bytes`, `process_virtual_memory_bytes`, `process_open_fds`,
`process_max_fds`, `process_start_time_seconds`, `python_info`, and `python_gc_` ones.
"""


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _section(endpoint: "Endpoint[Any]") -> Iterator[str]:
    from node.http.endpoint import ANY_REQUEST, errors_of, limits_of
    from node.http.limit import shown
    from node.http.query import Single

    yield f"\n## `{_route(endpoint)}`\n\n{endpoint.doc}\n"
    variables = [(f"`{{{name}}}`", doc) for name, doc in _variables(endpoint.path)]
    parameters = [
        (
            f"`{each.name}`"
            + (" (required)" if isinstance(each, Single) and each.required else ""),
            f"{each.doc}{_default(each.schema.get('default'))}",
        )
        for each in endpoint.parameters
    ]
    if variables or parameters:
        yield from ("\n", *_table(("parameter", "meaning"), [*variables, *parameters]))
    if endpoint.body is not None and endpoint.body.struct is not None:
        yield "\nIts body:\n\n"
        yield from _fields(endpoint.body.struct, defaults=True)
    if limits := limits_of(endpoint):
        told = [f"{each.what} ({shown(each)})" for each in limits]
        yield f"\nIts [limits](limits.md#the-edge): {'; '.join(told)}.\n"
    answers = [
        (str(each.status), "", " ".join([each.doc, *(f"`{name}`" for name in each.fields)]))
        for each in endpoint.answers
    ]
    own = [error for error in errors_of(endpoint) if error not in ANY_REQUEST]
    yield from ("\n", *_table(("status", "code", "when"), [*answers, *_refusals(own)]))
    for struct in dict.fromkeys(each.struct for each in endpoint.answers):
        if struct is not None and struct.__module__.startswith("node."):
            yield "\nThe answer:\n\n"
            yield from _fields(struct, defaults=False)


def _fields(struct: type, *, defaults: bool) -> Iterator[str]:
    """The fields of *struct*, and then those of the structs that are in it."""
    from msgspec import inspect

    from node.http.docstrings import field_docs
    from node.http.documents import accepts, structs_in

    described = inspect.type_info(struct)
    assert isinstance(described, inspect.StructType)
    docs = field_docs(struct)
    head = ("field", "default", "value", "meaning") if defaults else ("field", "value", "meaning")
    rows = []
    if described.tag is not None:
        kind = (f"`{described.tag_field}`", f"`{described.tag}`", "Its kind.")
        rows.append((kind[0], "`null`", *kind[1:]) if defaults else kind)
    for field in described.fields:
        value, meaning = accepts(field.type), docs.get(field.name, "")
        default = (f"`{_json(field.default)}`",) if defaults else ()
        rows.append((f"`{field.encode_name}`", *default, value, meaning))
    yield from _table(head, rows)
    for inner in structs_in(described):
        yield f"\n{inner.__name__}, {_lower(inner.__doc__ or '')}\n\n"
        yield from _fields(inner, defaults=False)


def _refusals(errors: Iterable[type[Exception]]) -> list[tuple[str, str, str]]:
    from node.http.errors import meaning_of, wire_of

    told: dict[tuple[int, str], list[str]] = {}
    for error in errors:
        told.setdefault(wire_of(error), []).append(meaning_of(error))
    return [
        (str(status), f"`{code}`", "; ".join(meanings))
        for (status, code), meanings in sorted(told.items())
    ]


def _variables(path: str) -> list[tuple[str, str]]:
    from node.http.fields import VARIABLES

    return [(name, doc) for name, (doc, _) in VARIABLES.items() if f"{{{name}}}" in path]


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    for row in (head, ("---",) * len(head), *rows):
        cells = " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row)
        yield f"| {cells} |\n"


def _route(endpoint: "Endpoint[Any]") -> str:
    return f"{endpoint.methods[0]} {endpoint.path}"


def _anchor(heading: str) -> str:
    """As Git hosts make one of a heading."""
    kept = (char for char in heading.lower() if char.isalnum() or char in " -_")
    return "".join(kept).replace(" ", "-")


def _default(value: object) -> str:
    if value is None:
        return ""
    return f" Without it {f'`{value}`' if isinstance(value, str) else f'{value:,}'}."


def _json(value: object) -> str:
    import msgspec

    return "null" if value is msgspec.NODEFAULT else msgspec.json.encode(value).decode()


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
