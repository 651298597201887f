"""No secret is in a log: a cluster is used with planted ones, and all of its files are read."""

import base64
import hashlib
import json
import re
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import pytest

from tests.e2e.administration import PASSWORD, Administration, basic
from tests.e2e.processes import ANY_ADMIN, atoll_command, clean_environment
from tests.e2e.serve_cluster import ServeCluster, ServeProcess

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

NEW_PASSWORD: Final = "a new password of hers"
ROOT_PASSWORD: Final = "the password of the first admin"
WRONG: Final = "not the password that it is"
MISPLACED: Final = "typed-into-the-wrong-field"

OPTIONS: Final = ("--log-level", "debug", "--log-requests", "all", "--log-format", "json")

ALLOWED: Final = ("OPERATOR", "signing-keys.json")
"""Files of a data directory that hold secrets: of its user alone."""

MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
CONFIG: Final = b"{}"
SCOPE: Final = "service=atoll&scope=repository:lib/app:pull,push"

Fields = dict[str, str]


def send(
    address: str, method: str, path: str, fields: Fields, data: bytes | None = None
) -> tuple[int, dict[str, str], bytes]:
    """Status, fields and body of one answer; *path* may be a whole URL."""
    url = path if path.startswith("http") else f"http://{address}{path}"
    request = urllib.request.Request(url, data, fields, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as exc:
        return exc.code, dict(exc.headers), exc.read()


class Planted:
    """Secrets by what they are, each with the forms that it goes over the wire in."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def plant(self, what: str, text: str, name: str = "") -> Fields:
        """Note a secret; with the *name* of who has it, as `Authorization` has it too."""
        assert len(text) >= 12, "short ones are found by chance"
        self.texts[what] = text
        if not name:
            return {"Authorization": f"Bearer {text}"}
        fields = basic(name, text)
        self.texts[f"Basic of {what}"] = fields["Authorization"].removeprefix("Basic ")
        return fields

    def found_in(self, files: Iterator[Path]) -> list[tuple[str, str]]:
        """What is in which file."""
        return [
            (what, file.name)
            for file in files
            for data in [file.read_bytes()]
            for what, text in self.texts.items()
            if text.encode() in data
        ]


def command(planted_into: Path, *arguments: str, typed: str = "") -> None:
    """Run a command; what it says goes into a file beside the nodes' logs."""
    done = subprocess.run(
        [*atoll_command(), *arguments],
        input=typed,
        text=True,
        capture_output=True,
        env=clean_environment() | {"HOME": "/nonexistent"},
        timeout=60,
        check=False,
    )
    with planted_into.open("a") as log:
        log.write(f"{arguments}\n{done.stdout}{done.stderr}")
    assert done.returncode == 0, done.stderr


def push_across(first: ServeProcess, second: ServeProcess, who: Fields, tag: str) -> None:
    """An upload that is begun at one node and goes on at another one, and its image."""
    blob = f"{tag} {hashlib.sha256(tag.encode()).hexdigest()}".encode()
    status, fields, _ = send(first.http, "POST", "/v2/lib/app/blobs/uploads/", who)
    assert status == 202
    there = fields["Location"].replace(first.http, second.http)
    there = there if there.startswith("http") else f"http://{second.http}{there}"
    status, fields, body = send(second.http, "PATCH", there, who, blob)
    assert status == 202, body
    end = fields["Location"].replace(first.http, second.http)
    end = end if end.startswith("http") else f"http://{second.http}{end}"
    digest = f"sha256:{hashlib.sha256(blob).hexdigest()}"
    status, _, body = send(
        second.http, "PUT", f"{end}{'&' if '?' in end else '?'}digest={digest}", who
    )
    assert status == 201, body
    config = f"sha256:{hashlib.sha256(CONFIG).hexdigest()}"
    path = f"/v2/lib/app/blobs/uploads/?digest={config}"
    status, _, body = send(first.http, "POST", path, who, CONFIG)
    assert status == 201, body
    entry = {"mediaType": "application/octet-stream"}
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {**entry, "digest": config, "size": len(CONFIG)},
        "layers": [{**entry, "digest": digest, "size": len(blob)}],
    }
    path, kind = f"/v2/lib/app/manifests/{tag}", {"Content-Type": MANIFEST}
    status, _, body = send(second.http, "PUT", path, who | kind, json.dumps(manifest).encode())
    assert status == 201, body


def posted(address: str, path: str, cookie: str, form: Fields) -> tuple[int, str, bytes]:
    """Status, cookie and body of what a browser gets for a form; it is not led on."""
    link = HTTPConnection(address, timeout=30)
    fields = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Sec-Fetch-Site": "same-origin",
        "Cookie": cookie,
        "Accept": "text/html",
    }
    link.request("POST", path, urlencode(form), fields)
    answer = link.getresponse()
    given = (answer.getheader("Set-Cookie") or "").partition(";")[0]
    body = answer.read()
    link.close()
    return answer.status, given, body


def browse(node: ServeProcess, planted: Planted, password: str, back: str, seen: str) -> None:
    """Log in to the pages, go back in a tag, try it with another session's form, and log out."""
    tag, here = "/ui/i/lib/app:v1", node.name
    form = {"name": "ann", "password": password, "next": "/ui/"}
    status, cookie, body = posted(node.http, "/ui/login", "", form)
    assert status == 303, body
    session = cookie.partition("=")[2]
    planted.plant(f"session at {here}", session)
    for number, part in enumerate(session.split(".")[1:]):
        planted.plant(f"part {number} of the session at {here}", part)
    _, _, page = send(node.http, "GET", tag, {"Cookie": cookie, "Accept": "text/html"})
    found = re.search(rb'name="proof" value="([0-9a-f]+)"', page)
    assert found is not None, page
    proof = found[1].decode()
    planted.plant(f"proof at {here}", proof)
    wrong = {"event": back, "seen": seen, "proof": MISPLACED}
    assert posted(node.http, tag, cookie, wrong)[0] == 403
    status, _, body = posted(node.http, tag, cookie, wrong | {"proof": proof})
    assert status == 303, body
    assert posted(node.http, "/ui/logout", cookie, {"proof": proof})[0] == 303


def misuse(node: ServeProcess, planted: Planted) -> None:
    """What people do by mistake: secrets in places that are not for them."""
    planted.plant("a wrong password", WRONG, "ann")
    planted.plant("misplaced", MISPLACED)
    for fields in (
        basic("ann", WRONG),
        basic(PASSWORD, PASSWORD),
        basic(MISPLACED, "x" * 12),
        {"Authorization": f"Basic {MISPLACED}"},
        {"Authorization": f"Bearer {MISPLACED}"},
        {"Authorization": MISPLACED},
        {"Authorization": f"Basic {base64.b64encode(MISPLACED.encode()).decode()}"},
    ):
        for path in ("/v2/", f"/token?{SCOPE}", "/v2/lib/app/manifests/none"):
            send(node.http, "GET", path, fields)
        send(node.http, "POST", "/v2/lib/app/blobs/uploads/", fields)
    send(node.http, "GET", f"/token?{SCOPE}&account=ann&password={MISPLACED}", {})
    forms = (
        f"grant_type=password&username=ann&password={MISPLACED}",
        f"grant_type=password&username={MISPLACED}&password=ann",
        f"grant_type={MISPLACED}x{MISPLACED}x{MISPLACED}&username=ann",
        f"grant_type=refresh_token&refresh_token={MISPLACED}",
        f"grant_type=password&password={MISPLACED}&password={MISPLACED}",
    )
    for form in forms[:2] + forms[3:]:
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        send(node.http, "POST", "/token", kind, form.encode())
    new: dict[str, Any] = {"password": MISPLACED}
    for text in (json.dumps(new)[:-1], json.dumps({"passwd": MISPLACED}), json.dumps([MISPLACED])):
        send(node.admin, "PUT", "/atoll/v1/account/password", basic("ann"), text.encode())
        send(node.admin, "POST", "/atoll/v1/users", basic("ann"), text.encode())


def test_no_secret_is_in_any_log(tmp_path: Path) -> None:
    """
    Every kind of secret, at every node, in debug, by clients and commands, with an upload that one
    node passes on to another, and a restart. Broken: who may read logs may log in.
    """
    directory = tmp_path / "cluster"
    directory.mkdir()
    said, planted, regions = directory / "commands.log", Planted(), ("eu", "eu", "us")
    with ServeCluster(
        directory=directory, regions=regions, options=OPTIONS, doors=ANY_ADMIN
    ) as cluster:
        one, two, three = cluster.nodes
        admin = Administration(node=one)
        for node in cluster.nodes:
            planted.plant(f"operator of {node.name}", operator_of(node), "operator")
        command(
            said, "admin", "init", "root", "--password-stdin", "--data-dir", str(one.data_dir),
            typed=f"{ROOT_PASSWORD}\n",
        )  # fmt: skip
        root = planted.plant("password of root", ROOT_PASSWORD, "root")
        admin.user("ann")
        ann = planted.plant("password", PASSWORD, "ann")
        admin.project("lib")
        admin.role("lib", "ann", "maintainer")
        admin.do("POST", "access/lib/robots", {"name": "lib+ci"})
        admin.role("lib", "lib+ci", "pusher")
        made = admin.do("POST", "robots/lib+ci/secrets", {"label": "ci"})
        robot = planted.plant("secret of a robot", made["secret"], "lib+ci")
        into = tmp_path / "secret"
        command(
            said, "robot", "add-secret", "lib+ci", "other", "--into", str(into),
            "--data-dir", str(one.data_dir),
        )  # fmt: skip
        planted.plant("secret in a file", into.read_text().strip(), "lib+ci")
        status, _, body = send(
            one.admin, "POST", "/atoll/v1/account/tokens", ann, b'{"label": "laptop"}'
        )
        assert status == 201, body
        mine = planted.plant("token of a user", json.loads(body)["secret"], "ann")
        push_across(one, two, robot, "v1")
        push_across(two, one, ann, "v2")
        for number, node in enumerate(cluster.nodes):
            for who, fields in (("ann", ann), ("robot", robot), ("hers", mine), ("root", root)):
                _, _, body = send(node.http, "GET", f"/token?{SCOPE}&offline_token=true", fields)
                given = json.loads(body)
                what = f"of {who} at {number}"
                token = planted.plant(f"token {what}", given["token"])
                refresh = given["refresh_token"]
                planted.plant(f"refresh token {what}", refresh)
                for path in ("/v2/", "/v2/lib/app/manifests/v1", "/v2/_catalog"):
                    status, _, body = send(node.http, "GET", path, token)
                    assert status == 200 or path == "/v2/_catalog", body  # of another scope
                    send(node.http, "GET", path, {"Authorization": f"Bearer {refresh}"})
                form = f"grant_type=refresh_token&refresh_token={refresh}&{SCOPE}"
                kind = {"Content-Type": "application/x-www-form-urlencoded"}
                status, _, body = send(three.http, "POST", "/token", kind, form.encode())
                assert status == 200, body
                planted.plant(f"second token {what}", json.loads(body)["access_token"])
            misuse(node, planted)
        new = json.dumps({"password": NEW_PASSWORD}).encode()
        assert send(one.admin, "PUT", "/atoll/v1/account/password", ann, new)[0] in (200, 204)
        planted.plant("the next password", NEW_PASSWORD, "ann")
        send(two.http, "GET", "/v2/", ann)
        push_across(one, two, basic("ann", NEW_PASSWORD), "v1")
        view = admin.do("GET", "repositories/lib/app/tags/v1")
        last, first = (each["event"] for each in view["history"])
        browse(one, planted, NEW_PASSWORD, first, last)
        for node in cluster.nodes:
            for key in json.loads((node.data_dir / "signing-keys.json").read_bytes()):
                planted.plant(f"key of {node.name}", key["jwk"]["d"])
        two.kill()
        two.start()
        two.wait_ready()
        planted.plant("the next operator", operator_of(two), "operator")
        send(two.http, "GET", "/v2/", basic("operator", operator_of(two)))
        admin.do("DELETE", f"robots/lib+ci/secrets?id={made['id']}")
        view = admin.do("GET", "repositories/lib/app/tags/v1")
        assert [entry["who"] for entry in view["history"]] == ["ann", "ann", "lib+ci"]
    assert planted.found_in(files_of(directory)) == []
    logs = [node.log.read_text() for node in cluster.nodes]
    for told in (
        '"who":"ann"', '"who":"lib+ci"', '"status":401', '"level":"debug"',
        '"action":"page.rollback"', '"event":"session begun"', '"session":"',
    ):  # fmt: skip
        assert any(told in log for log in logs), f"{told} was looked for in vain"
    with one.log.open("a") as log:
        log.write(f"Authorization: Bearer {planted.texts['token of ann at 0']}\n")
    assert planted.found_in(files_of(directory)) == [("token of ann at 0", one.log.name)]


def operator_of(node: ServeProcess) -> str:
    return (node.data_dir / "OPERATOR").read_text().strip()


def files_of(directory: Path) -> Iterator[Path]:
    """Every log, and all that the nodes have on their disks but for what is to be there."""
    yield from (f for f in directory.rglob("*") if f.is_file() and f.name not in ALLOWED)
