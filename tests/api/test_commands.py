"""The commands that ask a node of its tags: `atoll wait`, `history`, `rollback`, `project`."""

import json

import pytest

from cluster.model import NodeId, Region, SpreadNode
from node.cli.errors import CommandError
from node.cli.references import parse_reference, parse_url
from tests.api.commands import atoll
from tests.api.conftest import Registry


def ref(registry: Registry, name: str = "lib/app:v1") -> str:
    return f"127.0.0.1:{registry.port}/{name}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("host:5000/a/b:v1", ("http://host:5000", "a/b", "v1")),
        ("host.example/a", ("http://host.example", "a", "latest")),
        ("localhost/a", ("http://localhost", "a", "latest")),
        ("http://host/a", ("http://host", "a", "latest")),
        ("https://host/a@sha256:12", ("https://host", "a", "sha256:12")),
        ("host:1/a:v1@sha256:12", ("http://host:1", "a", "sha256:12")),
        ("[::1]:5000/a:v1", ("http://[::1]:5000", "a", "v1")),
    ],
)
def test_references(text: str, expected: tuple[str, str, str]):
    assert parse_reference(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a:v1", ("a", "v1")),
        ("lib/a.b/c", ("lib/a.b/c", "latest")),
        ("my.lib/app@sha256:12", ("my.lib/app", "sha256:12")),
        ("elsewhere:5000/a:v1", ("a", "v1")),
        ("http://elsewhere/a", ("a", "latest")),
    ],
)
def test_a_reference_needs_no_node_where_one_is_given(
    text: str, expected: tuple[str, str], monkeypatch: pytest.MonkeyPatch
):
    assert parse_reference(text, "host:1") == ("http://host:1", *expected)
    monkeypatch.setenv("ATOLL_DATA_DIR", "/nowhere")
    with pytest.raises(CommandError, match="no data directory /nowhere"):
        parse_reference("lib/app:v1")


@pytest.mark.parametrize(
    "text",
    [
        "host",
        "host:5000/",
        "host:x/a",
        "/a:v1",
        "ftp://host/a",
        "",
        "host:1/a:",
        "host:1/:v1",
        "h:1/a@",
        "h:1/a@12",
        "http://h:1/a/b@1/a/b@",
    ],
)
def test_what_is_no_reference(text: str):
    with pytest.raises(CommandError):
        parse_reference(text)


@pytest.mark.parametrize("text", ["library/app:v1", "library/app", "a/b/c@sha256:12"])
def test_a_repository_is_not_taken_for_a_node(text: str):
    """`cannot reach http://library` would send people to look for a network fault."""
    with pytest.raises(CommandError, match=f"names no node: write HOST:PORT/{text}"):
        parse_reference(text)


@pytest.mark.parametrize("text", ["", "host/path", "host:99999999", "http://", "host?x"])
def test_what_is_no_address(text: str):
    with pytest.raises(CommandError):
        parse_url(text)


async def test_wait_asks_for_the_event_of_a_tag(registry: Registry):
    digest = await registry.push_image("lib/app", "v1")
    event = registry.index.metadata.tagged("lib/app", "v1").event
    done = await atoll("wait", ref(registry), "--regions", "local", "--timeout", "5")
    assert done.exit_code == 0, done
    assert f"{event} is on solo (local)" in done.output
    assert registry.view.asked[-1][:2] == (event, ["local"])
    by_digest = await atoll("wait", ref(registry, f"lib/app@{digest}"))
    assert by_digest.exit_code == 0
    by_event = await atoll("wait", str(event), "--url", f"127.0.0.1:{registry.port}")
    assert by_event.exit_code == 0


async def test_wait_fails_when_the_event_does_not_arrive(registry: Registry):
    """A deployment would start where the image is not."""
    await registry.push_image("lib/app", "v1")
    lacking = SpreadNode(NodeId("us-1"), Region("us"), True, False)
    registry.view.nodes = (*registry.view.nodes, lacking)
    late = await atoll("wait", ref(registry), "--timeout", "0.1")
    assert late.exit_code == 1
    assert "us-1 (us)" in late.told


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("wait", "{host}/lib/app:gone"), "{host} has no lib/app:gone"),
        (("wait", "127.0.0.1:1/lib/app:v1"), "cannot reach"),
        (("wait", "nonsense"), "is not HOST:PORT/REPOSITORY:TAG"),
        (("wait", "nonsense", "--url", "{host}"), "NODE/EPOCH/SEQUENCE"),
        (("wait", "a/1/1", "--url", "{host}", "--regions", "mars"), "mars"),
        (("history", "{host}/lib/app:gone"), "is not known"),
        (("history", "{host}/lib/app@sha256:1"), "a digest has no history"),
        (("rollback", "{host}/lib/app:v1", "a/1/1"), "is not known"),
        (("rollback", "{host}/lib/app:v1", "sha256:" + "0" * 64), "there never was a tag 'v1'"),
        (("project", "get", "A", "--url", "{host}"), "repository names"),
        (("project", "set", "lib", "history_max", "--url", "{host}"), "is not FIELD=VALUE"),
        (
            ("project", "set", "lib", "quota=1", "--url", "{host}"),
            "there is no field 'quota'; the fields are consistency, history_max",
        ),
        (
            ("project", "set", "lib", "consistency=soon", "--url", "{host}"),
            "consistency must be one of local, region, global",
        ),
        (
            ("project", "set", "lib", "history_max=0", "--url", "{host}"),
            "history_max must be a whole number from 1 to 256",
        ),
        (
            ("project", "set", "lib", "children=some", "--url", "{host}"),
            "children must be one of all, none or a list, of which each entry is OS/ARCHITECTURE",
        ),
        (
            ("project", "set", "lib", "history_max=many", "--url", "{host}"),
            "history_max must be a whole number from 1 to 256",
        ),
        (("project", "delete", "lib", "--url", "{host}"), "has no policy"),
    ],
)
async def test_what_goes_wrong_is_one_line_and_status_1(
    registry: Registry, arguments: tuple[str, ...], message: str
):
    host = f"127.0.0.1:{registry.port}"
    done = await atoll(*(argument.format(host=host) for argument in arguments))
    assert done.exit_code == 1, done
    [line] = done.told.splitlines()
    assert message.replace("{host}", host) in line
    assert "$" not in line, "the words of the JSON library"


async def test_history_and_rollback(registry: Registry):
    old = await registry.push_image("lib/app", "v1", text="old")
    new = await registry.push_image("lib/app", "v1", text="new")
    shown = (await atoll("history", ref(registry))).output.splitlines()
    assert [line[0] for line in shown] == ["*", " "]
    assert shown[0].endswith(new)
    assert shown[1].endswith(old)
    event = shown[1].split()[2]
    done = await atoll("rollback", ref(registry), event)
    assert done.exit_code == 0, done
    assert f"lib/app:v1 is {old}" in done.output
    assert registry.index.metadata.tag("lib/app", "v1") == old
    assert (await atoll("rollback", ref(registry), str(new))).exit_code == 0
    assert registry.index.metadata.tag("lib/app", "v1") == new


async def test_a_tag_that_never_was_is_not_made_by_a_rollback(registry: Registry):
    """A slip of the finger would make a tag that somebody may deploy."""
    digest = await registry.push_image("lib/app", "v1")
    done = await atoll("rollback", ref(registry, "lib/app:v2"), str(digest))
    assert done.exit_code == 1
    assert registry.index.metadata.tag("lib/app", "v2") is None
    done = await atoll("rollback", ref(registry, "lib/app:v2"), str(digest), "--create")
    assert done.exit_code == 0, done
    assert registry.index.metadata.tag("lib/app", "v2") == digest


async def test_a_deleted_tag_can_be_rolled_back_to_a_digest(registry: Registry):
    """It has been there: nothing new is made."""
    digest = await registry.push_image("lib/app", "v1")
    await registry.call("DELETE", "/v2/lib/app/manifests/v1")
    done = await atoll("rollback", ref(registry), str(digest))
    assert done.exit_code == 0, done
    assert registry.index.metadata.tag("lib/app", "v1") == digest


async def test_every_command_prints_json_for_programs(registry: Registry):
    """Scripts would have to read what is written for people."""
    digest = await registry.push_image("lib/app", "v1")
    event = str(registry.index.metadata.tagged("lib/app", "v1").event)
    url = ("--url", f"127.0.0.1:{registry.port}", "--json")
    for arguments, member, value in (
        (("wait", ref(registry), "--json"), "event", event),
        (("history", ref(registry), "--json"), "digest", digest),
        (("rollback", ref(registry), str(digest), "--json"), "tag", "v1"),
        (("project", "set", "lib", "history_max=7", *url), "name", "lib"),
        (("project", "get", "lib", *url), "name", "lib"),
        (("project", "delete", "lib", *url), "policy", None),
    ):
        done = await atoll(*arguments)
        assert done.exit_code == 0, done
        [line] = done.output.splitlines()
        assert json.loads(line)[member] == value


async def test_success_has_a_word(registry: Registry):
    """Silence may be success or a command that did nothing."""
    url = ("--url", f"127.0.0.1:{registry.port}")
    await atoll("project", "set", "lib", "history_max=7", *url)
    done = await atoll("project", "delete", "lib", *url)
    assert done.output == "project lib has the default policy again\n"


async def test_nothing_is_drawn_into_a_pipe(registry: Registry):
    """A log of a deployment would be full of progress bars."""
    await registry.push_image("lib/app", "v1")
    done = await atoll("wait", ref(registry))
    assert done.told == ""


async def test_projects(registry: Registry):
    url = ("--url", f"127.0.0.1:{registry.port}")
    done = await atoll("project", "set", "lib", "consistency=global", "history_max=7", *url)
    assert done.exit_code == 0, done
    wanted = 'children=["linux/amd64", "linux/arm64/v8"]'
    done = await atoll("project", "set", "lib", "history_days=8", wanted, "log_reads=true", *url)
    policy = {
        "consistency": "global",
        "history_max": 7,
        "history_days": 8,
        "unconfirmed_reads": "serve",
        "children": ["linux/amd64", "linux/arm64/v8"],
        "log_reads": True,
    }
    assert json.loads(done.output)["policy"] == policy
    done = await atoll("project", "get", "lib", *url)
    assert json.loads(done.output)["policy"] == policy
    assert (await atoll("project", "delete", "lib", *url)).exit_code == 0
    done = await atoll("project", "get", "lib", *url)
    assert json.loads(done.output)["event"] is None
