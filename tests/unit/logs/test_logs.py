"""Log lines: their fields, and that no event can be more than one line."""

import asyncio
import io
import json
import logging
import re
import warnings

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cluster.model import Digest, Dot
from node import logs


@pytest.fixture
def log_to(process_logs):
    """Configure logging into a buffer."""

    def start(form="json", level="debug"):
        stream = io.BytesIO()
        logs.configure(level=level, form=form, node="eu-1", region="eu", stream=stream)
        return stream

    return start


def only_line(stream):
    """The one JSON line in *stream*, decoded."""
    written = stream.getvalue().decode()
    # Every character that some reader takes for the end of a line, not only \n.
    assert len(written.splitlines()) == 1, written
    assert written.endswith("\n")
    return json.loads(written)


def test_fields_of_a_line(log_to):
    """Searching logs by node, time, component or request would not work."""
    stream = log_to()
    token, asker = logs.request_id.set("r-17"), logs.who.set("lib+ci")
    try:
        logs.get_logger("registry").info(
            "manifest stored", repository="a/b", digest=Digest.of(b""), dot=Dot("n", 1, 2), n=5
        )
    finally:
        logs.request_id.reset(token)
        logs.who.reset(asker)
    line = only_line(stream)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("ts"))
    assert line == {
        "level": "info",
        "event": "manifest stored",
        "node": "eu-1",
        "region": "eu",
        "request_id": "r-17",
        "who": "lib+ci",
        "component": "registry",
        "repository": "a/b",
        "digest": str(Digest.of(b"")),
        "dot": ["n", 1, 2],
        "n": 5,
    }


async def test_request_id_belongs_to_its_task(log_to):
    """Events of requests that run at once would carry each other's id."""
    stream = log_to()
    log = logs.get_logger("t")
    both_set = asyncio.Barrier(2)

    async def request(name):
        logs.request_id.set(name)
        await both_set.wait()
        log.info("served", name=name)

    async with asyncio.TaskGroup() as group:
        group.create_task(request("one"))
        group.create_task(request("two"))
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert sorted(line["name"] for line in lines) == ["one", "two"]
    assert all(line["request_id"] == line["name"] for line in lines)


def test_level(log_to):
    """`log_level` would not hold, for our events or the libraries'."""
    stream = log_to(level="warning")
    log = logs.get_logger("t")
    log.info("not this")
    logging.getLogger("aiohttp.server").info("nor this")
    log.warning("but this")
    logging.getLogger("aiohttp.server").error("and %s", "this")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["level"], line["event"]) for line in lines] == [
        ("warning", "but this"),
        ("error", "and this"),
    ]


@pytest.mark.parametrize(
    ("number", "name"), [(5, "debug"), (25, "info"), (30, "warning"), (50, "error")]
)
def test_standard_library_levels(log_to, number, name):
    """A library's event with a level of its own would be lost or raise."""
    stream = log_to()
    handler = logging.getLogger().handlers[0]
    handler.handle(logging.LogRecord("grpc", number, "", 0, "hello %d", (1,), None))
    line = only_line(stream)
    assert (line["level"], line["event"], line["component"]) == (name, "hello 1", "grpc")


def test_bad_library_arguments_keep_the_event(log_to):
    stream = log_to()
    logging.getLogger("grpc").error("%s and %s", "one")
    assert only_line(stream)["event"] == "%s and %s"


def test_python_warnings_become_events(log_to):
    """A warning would stand as bare text between JSON lines."""
    stream = log_to()
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        logging.captureWarnings(True)  # catch_warnings put the original back.
        warnings.warn("strange", RuntimeWarning, stacklevel=1)
        logging.captureWarnings(False)
    assert "RuntimeWarning: strange" in only_line(stream)["event"]


@pytest.mark.parametrize("form", ["json", "text"])
def test_identity_cannot_be_forged(log_to, form):
    """A field named by a caller would pass for another node's or request's event."""
    stream = log_to(form)
    logs.get_logger("t").info("x", node="spoof", request_id="r", who="root", ts="t", level="error")
    written = stream.getvalue().decode()
    if form == "json":
        line = json.loads(written)
        assert (line["node"], line["level"], line["node_"]) == ("eu-1", "info", "spoof")
        assert not {"request_id", "who"} & line.keys()
    else:
        assert "node_=spoof" in written
        assert " INFO " in written


_HOSTILE = "a\nb\r\x85\u2028\u2029\x0b\x0c\x1c\x1b[31m\x9b31m\x7f\u202etxt\x00"


@pytest.mark.parametrize("form", ["json", "text"])
@pytest.mark.parametrize("value", [_HOSTILE, [_HOSTILE], {"k": _HOSTILE}, {_HOSTILE: 1}])
def test_control_characters_never_reach_the_output(log_to, form, value):
    """A client could forge log lines or steer the terminal of whoever reads them."""
    stream = log_to(form)
    logs.get_logger("t").info("x " + _HOSTILE, path=value)
    logging.getLogger("aiohttp").info("bad path %s", value)
    written = stream.getvalue().decode()
    assert written.count("\n") == 2
    assert len(written.splitlines()) == 2
    assert all(char.isprintable() for char in written.replace("\n", ""))
    if form == "json":
        assert json.loads(written.splitlines()[0])["path"] == value


@given(message=st.text(), field=st.text(), form=st.sampled_from(["json", "text"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_one_event_is_one_line(log_to, message, field, form):
    """Some character that nobody thought of would end a line early."""
    stream = log_to(form)
    logs.get_logger("t").info(message, field=field)
    written = stream.getvalue().decode()
    assert len(written.splitlines()) == 1
    if form == "json":
        assert json.loads(written)["field"] == field


class Unprintable:
    def __str__(self):
        raise RuntimeError("no text")

    __repr__ = __str__


@pytest.mark.parametrize(
    "value",
    ["\udcff", Unprintable(), 1 << 200, {1: object()}, object(), b"\xff", {"a", "b"}, float("nan")],
)
@pytest.mark.parametrize("form", ["json", "text"])
def test_no_value_makes_logging_fail(log_to, form, value):
    """A request would fail because its log line could not be written."""
    stream = log_to(form)
    logs.get_logger("t").info("odd", value=value, status=200)
    written = stream.getvalue().decode()
    assert len(written.splitlines()) == 1
    assert "odd" in written
    if form == "json":
        assert json.loads(written)["status"] == 200


def test_value_that_contains_itself(log_to):
    stream = log_to()
    loop = []
    loop.append(loop)
    logs.get_logger("t").info("round", loop=loop)
    assert only_line(stream)["loop"] == "[[...]]"


@pytest.mark.parametrize("form", ["json", "text"])
def test_huge_events_are_cut(log_to, form):
    """One request with a huge header would fill the disk with its log."""
    stream = log_to(form)
    fields = {f"f{i}": "x" * 200_000 for i in range(40)}
    logs.get_logger("t").info("big", **fields)
    written = stream.getvalue()
    assert len(written) < 200_000
    assert b"200000 characters" in written


def test_exception_stays_in_its_line(log_to):
    """A traceback would fall apart into lines that no tool puts together again."""
    stream = log_to()
    try:
        raise ValueError('first\n{"forged":1}')
    except ValueError:
        logs.get_logger("t").exception("request failed", path="/v2/")
    line = only_line(stream)
    assert (line["level"], line["event"]) == ("error", "request failed")
    assert line["exception"].startswith("Traceback")
    assert "ValueError: first" in line["exception"]


def test_exception_on_a_terminal_is_indented(log_to):
    """The second line of an exception's text could pass for an event."""
    stream = log_to("text")
    try:
        raise ValueError("first\n12:00:00.000 INFO    forged")
    except ValueError as exc:
        logging.getLogger("asyncio").error("task failed", exc_info=exc)
    first, *rest = stream.getvalue().decode().splitlines()
    assert "ERROR   task failed" in first
    assert any("INFO    forged" in line for line in rest)
    assert all(line.startswith("    ") for line in rest)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("plain", "v=plain"),
        ("two words", 'v="two words"'),
        ("", 'v=""'),
        ('say "hi"', r'v="say \"hi\""'),
        ("a=b", 'v="a=b"'),
        ("a\nb", r'v="a\nb"'),
        ("back\\slash", r'v="back\\slash"'),
        (5, "v=5"),
        ("é", "v=é"),
    ],
)
def test_text_values(log_to, value, shown):
    """Two different values would look the same on a terminal."""
    stream = log_to("text")
    logs.get_logger("t").info("x", v=value)
    assert stream.getvalue().decode().rstrip("\n").endswith(f"component=t {shown}")


class Terminal(io.BytesIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("stream", "is_json"), [(Terminal(), False), (io.BytesIO(), True)])
def test_auto_format(log_to, stream, is_json):
    """People would get JSON, or machines prose."""
    log_to()
    logs.configure(form="auto", stream=stream)
    logs.get_logger("t").info("x")
    assert stream.getvalue().startswith(b"{") == is_json


class FullDisk(io.BytesIO):
    def write(self, _data):
        raise OSError(28, "No space left on device")


def test_failing_stream_loses_lines_only(log_to):
    """A full disk under the log would fail requests."""
    log_to()
    stream = FullDisk()
    logs.configure(form="json", stream=stream)
    before = logs.dropped_lines()
    logs.get_logger("t").info("x")
    closed = io.BytesIO()
    closed.close()
    logs.configure(form="json", stream=closed)
    logs.get_logger("t").info("x")
    assert logs.dropped_lines() == before + 2


def test_debug_is_about_atoll(log_to):
    """Who looks for what this node did would drown in what its libraries did."""
    stream = log_to(level="debug")
    logging.getLogger("grpc._cython").debug("polling")
    logs.get_logger("cluster").debug("events pushed", peer="us-1")
    assert only_line(stream)["event"] == "events pushed"
