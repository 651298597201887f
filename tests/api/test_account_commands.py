"""Logging in with `atoll`, and what the commands about accounts do."""

import json
import stat
from pathlib import Path

import pytest
from typer.main import get_group

from node.cli import app
from node.cli.reference import leaves
from node.identity.actions import Role
from node.identity.documents import KINDS, ProjectAccess, encode
from node.registry.values import PutSetting
from tests.api.commands import Done, atoll, data_dir_of
from tests.api.conftest import Registry, StartRegistry
from tests.api.test_login import PASSWORD, basic

NEW_PASSWORD = "another horse altogether"


@pytest.fixture
async def closed(start_registry: StartRegistry) -> Registry:
    """A registry with the admin ann, who may do anything, and bob, a pusher of the project lib."""
    registry = await start_registry(accounts=True)
    accounts = registry.identity.accounts
    for name in ("ann", "bob"):
        await accounts.put_user(name, password=PASSWORD, disabled=False, create=True)
    await accounts.put_project("lib", public=False, denies=())
    await accounts.grant("*", "ann", Role.ADMIN, (), 0.0)
    await accounts.grant("lib", "bob", Role.MAINTAINER, (), 0.0)
    return registry


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where contexts are kept."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config" / "atoll" / "contexts.json"


def address(registry: Registry) -> str:
    return f"127.0.0.1:{registry.port}"


async def log_in(registry: Registry, user: str, *more: str, password: str = PASSWORD) -> Done:
    given = ("--url", address(registry), "--user", user, "--password-stdin", *more)
    return await atoll("login", *given, typed=f"{password}\n")


def test_no_secret_is_ever_an_argument():
    """Broken: whoever lists the processes of a machine reads it."""
    for leaf in leaves(get_group(app)):
        for each in leaf.command.params:
            if "password" in str(each.name) or "secret" in str(each.name):
                named = {*each.opts, *each.secondary_opts}
                assert named <= {"--password-stdin", "--password-file", "--no-password", "secret"}
                # The one that is an argument is the id, by which a secret is taken back.
                assert "secret" not in named or each.metavar == "ID"


async def test_who_has_logged_in_is_asked_no_more(closed: Registry, file: Path):
    """Every command that asks a node, with a context and without."""
    closed.session.headers.update(basic("bob", PASSWORD))
    await closed.push_image("lib/app", "v1")
    nobody = await atoll("history", f"{address(closed)}/lib/app:v1")
    assert nobody.exit_code == 1
    assert "wants to know who asks" in nobody.told

    done = await log_in(closed, "bob", "--name", "here")
    assert (done.exit_code, done.output) == (0, "logged in to here as bob\n"), done
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert PASSWORD not in file.read_text()

    assert "v1" in (await atoll("history", "lib/app:v1", "--json")).output
    assert (await atoll("wait", f"{address(closed)}/lib/app:v1")).exit_code == 0
    assert (await atoll("user", "whoami")).output == "bob\n"
    refused = await atoll("status", "--json")
    assert (refused.exit_code, "may not" in refused.output) == (2, True), refused

    assert (await atoll("logout")).exit_code == 0
    assert json.loads(file.read_text())["contexts"] == {}
    assert (await atoll("user", "whoami", "--url", address(closed))).exit_code == 1


async def test_several_clusters_at_once(
    start_registry: StartRegistry, closed: Registry, file: Path
):
    """Broken: what was given for one cluster is shown to another."""
    other = await start_registry(node="other", accounts=True)
    await other.identity.accounts.put_user("cid", password=PASSWORD, disabled=False, create=True)
    await log_in(closed, "bob", "--name", "one")
    await log_in(other, "cid", "--name", "two")
    assert (await atoll("user", "whoami")).output == "cid\n"
    assert (await atoll("user", "whoami", "--context", "one")).output == "bob\n"
    assert (await atoll("user", "whoami", "--url", address(closed))).output == "bob\n"
    await atoll("context", "use", "one")
    assert (await atoll("user", "whoami")).output == "bob\n"
    shown = json.loads((await atoll("context", "list", "--json")).output)["contexts"]
    assert [(each["name"], each["user"], each["current"]) for each in shown] == [
        ("one", "bob", True),
        ("two", "cid", False),
    ]
    await atoll("context", "remove", "one")
    assert (await atoll("user", "whoami", "--url", address(closed))).exit_code == 1
    assert (await atoll("user", "whoami", "--context", "one")).exit_code == 1


async def test_a_password_that_is_changed_ends_other_log_ins(closed: Registry, file: Path):
    await log_in(closed, "bob", "--name", "here")
    elsewhere = file.read_text()
    done = await atoll("user", "password", "--password-stdin", typed=NEW_PASSWORD)
    assert done.exit_code == 0, done
    assert (await atoll("user", "whoami")).output == "bob\n"
    file.write_text(elsewhere)
    gone = await atoll("user", "whoami")
    assert (gone.exit_code, "atoll login" in gone.told) == (1, True)
    assert "wrong name or password" in (await log_in(closed, "bob")).told


async def test_contexts_that_others_can_read_are_not_used(closed: Registry, file: Path):
    await log_in(closed, "bob")
    file.chmod(0o640)
    done = await atoll("user", "whoami")
    assert (done.exit_code, "others may read" in done.told) == (1, True)


async def test_a_password_is_not_sent_over_the_network_in_clear(file: Path):
    given = ("--url", "registry.example:7000", "--user", "ann", "--password-stdin")
    done = await atoll("login", *given, typed=PASSWORD)
    assert (done.exit_code, "--plain-http" in done.told) == (1, True)


async def test_a_script_says_where_the_password_is(closed: Registry, file: Path):
    done = await atoll("login", "--url", address(closed), "--user", "ann")
    assert (done.exit_code, "--password-stdin" in done.told) == (1, True)
    empty = await log_in(closed, "ann", password="")
    assert (empty.exit_code, "not one line" in empty.told) == (1, True)


async def test_a_robot_from_nothing_to_revoked(closed: Registry, file: Path, tmp_path: Path):
    """The guide of docs/logging-in.md, as far as it needs no client."""
    await log_in(closed, "ann")
    assert (await atoll("robot", "add", "lib+ci", "--days", "900")).exit_code == 0
    assert (await atoll("role", "grant", "lib+ci", "pusher", "--project", "lib")).exit_code == 0
    secret = tmp_path / "secret"
    made = await atoll("robot", "add-secret", "lib+ci", "actions", "--into", str(secret), "--json")
    assert "secret" not in json.loads(made.output)
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    robot = basic("lib+ci", secret.read_text().strip())
    start = "/v2/lib/app/blobs/uploads/"
    assert (await closed.call("POST", start, headers=robot)).status == 202

    again = await atoll("robot", "add-secret", "lib+ci", "x", "--into", str(secret))
    assert (again.exit_code, "cannot make" in again.told) == (1, True)
    listed = json.loads((await atoll("robot", "secrets", "lib+ci", "--json")).output)["secrets"]
    assert [each["label"] for each in listed] == ["actions"], "a secret that nobody has was made"
    shown = await atoll("robot", "add-secret", "lib+ci", "second")
    assert shown.output.count("\n") == 1, "a pipe gets the secret, and nothing else"
    second = basic("lib+ci", shown.output.strip())
    await atoll("robot", "revoke-secret", "lib+ci", listed[0]["id"])
    assert (await closed.call("POST", start, headers=robot)).status == 401
    assert (await closed.call("POST", start, headers=second)).status == 202
    await atoll("robot", "disable", "lib+ci")
    assert (await closed.call("POST", start, headers=second)).status == 401


async def test_why(closed: Registry, file: Path):
    await log_in(closed, "ann")
    yes = await atoll("auth", "why", "bob", "manifest.write", "lib/app")
    assert (yes.exit_code, yes.output[:4]) == (0, "yes:"), yes
    no = await atoll("auth", "why", "-", "manifest.read", "lib/app")
    assert (no.exit_code, no.output[:3]) == (1, "no:"), no
    assert (await atoll("auth", "why", "bob", "manifest.eat", "lib/app")).exit_code == 2
    denied = ("--deny", "bob:push:lib/app")
    assert (await atoll("access", "set", "lib", "--public", *denied)).exit_code == 0
    assert (await atoll("auth", "why", "-", "manifest.read", "lib/app")).exit_code == 0
    assert (await atoll("auth", "why", "bob", "manifest.write", "lib/app")).exit_code == 1
    assert (await atoll("access", "set", "lib", "--no-deny", "bob:push:lib/*")).exit_code == 1
    changed = await atoll("access", "set", "lib", "--no-deny", "bob:push:lib/app", "--json")
    assert json.loads(changed.output)["public"], "what was not named has changed"
    assert (await atoll("auth", "why", "bob", "manifest.write", "lib/app")).exit_code == 0


async def test_a_project_that_was_made_twice_keeps_what_it_denies(closed: Registry, file: Path):
    """Broken: who settles the conflict lets in whom one side had locked out."""
    await log_in(closed, "ann")
    denied = ("--deny", "bob:push:lib/app")
    assert (await atoll("access", "set", "lib", "--public", *denied)).exit_code == 0
    other = encode(ProjectAccess("made-elsewhere", 1.0, public=True))
    await closed.index.metadata.put(PutSetting(KINDS[ProjectAccess], "lib", other, ()))
    shown = await atoll("access", "show", "lib")
    assert "CONFLICT: it was made twice" in shown.output
    assert "lib is private" in shown.output
    settled = await atoll("access", "set", "lib", "--private", "--json")
    found = json.loads(settled.output)
    assert not found["conflicting"]
    assert [each["subject"] for each in found["denies"]] == ["bob"]


async def test_a_key_that_is_taken_back_lets_nobody_in(closed: Registry, file: Path):
    """Broken: who stole a disk signs tokens for ever, and nobody can tell which key to revoke."""
    await log_in(closed, "ann")
    asked = "/token?scope=repository:lib/app:pull,push"
    given = (await closed.call("GET", asked, headers=basic("bob"))).json["token"]
    token = {"Authorization": f"Bearer {given}"}
    start = "/v2/lib/app/blobs/uploads/"
    assert (await closed.call("POST", start, headers=token)).status == 202
    (key,) = json.loads((await atoll("auth", "keys", "--json")).output)["keys"]
    assert key["key"] in (await atoll("auth", "keys")).output
    assert (await atoll("auth", "revoke-key", key["key"])).exit_code == 0
    assert (await closed.call("POST", start, headers=token)).status == 401
    assert (await atoll("auth", "revoke-key", key["key"])).exit_code == 1


async def test_the_first_admin(start_registry: StartRegistry, file: Path, tmp_path: Path):
    """Broken: a new cluster has nobody who could let others in, or lets anybody become that."""
    registry = await start_registry(accounts=True)
    first = ("admin", "init", "ann", "--password-stdin")
    stranger = await atoll(*first, "--url", address(registry), typed=PASSWORD)
    assert (stranger.exit_code, "wants to know" in stranger.told) == (1, True)
    with data_dir_of(address(registry), tmp_path / "node") as by_operator:
        done = await atoll(*first, *by_operator, typed=PASSWORD)
        assert done.exit_code == 0, done
        second = await atoll(
            "admin", "init", "bob", "--password-stdin", *by_operator, typed="x" * 12
        )
        assert (second.exit_code, "there are admins: ann" in second.told) == (1, True)
    await log_in(registry, "ann")
    assert json.loads((await atoll("role", "list", "--json")).output)["roles"] == [
        {"subject": "ann", "role": "admin", "patterns": [], "expires": 0.0}
    ]
    assert (await log_in(registry, "operator")).exit_code == 1
