"""What a command says of who asks, and what it gets tokens for."""

from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from node.cli import contexts, credentials
from node.cli.contexts import Contexts, LoginContext
from node.cli.errors import CommandError
from node.cli.exchange import exchange

HERE = LoginContext(url="http://127.0.0.1:7000", user="ann", refresh="r1")
ALSO_HERE = LoginContext(url="http://127.0.0.1:7000", user="bob", refresh="r2")
THERE = LoginContext(url="https://registry.example", user="ann", refresh="r3")


@pytest.mark.parametrize(
    ("path", "scope"),
    [
        ("/atoll/v1/status", "registry:atoll:*"),
        ("/atoll/v1/repositories/lib/manifests/tags/v1", "registry:atoll:*"),
        ("/v2/lib/app/manifests/v1", "repository:lib/app:pull,push"),
        ("/v2/lib/blobs/uploads/?digest=sha256:00", "repository:lib:pull,push"),
        ("/v2/lib/blobs/app/blobs/sha256:00", "repository:lib/blobs/app:pull,push"),
    ],
)
def test_a_token_is_for_what_is_asked(path: str, scope: str):
    assert credentials.scope_of(path) == scope


def test_the_context_of_an_address():
    known = Contexts(current="there", contexts={"b": ALSO_HERE, "a": HERE, "there": THERE})
    assert known.at(THERE.url) == THERE
    assert known.at(HERE.url) == ALSO_HERE
    assert known.with_one("a", HERE).at(HERE.url) == HERE, "the current one comes first"
    for other in ("http://127.0.0.1:7001", "http://registry.example", "http://127.0.0.1:70"):
        assert known.at(other) is None
    assert known.without("there").chosen() is None
    with pytest.raises(CommandError, match="no context 'c'"):
        known.without("c")


def test_what_is_no_file_of_contexts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert contexts.load() == Contexts()
    with contexts.changing() as known:
        contexts.save(known.with_one("here", HERE))
    assert contexts.load().chosen() == HERE
    (tmp_path / "atoll" / "contexts.json").write_text("{")
    with pytest.raises(CommandError, match="holds no contexts"):
        contexts.load()


@pytest.mark.parametrize("why", ["no home", "not theirs"])
def test_who_has_no_file_is_a_stranger(why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Broken: no command runs in a container whose user is but a number."""

    def nobody(*_: object) -> Path:
        raise RuntimeError("could not determine home directory")

    def closed(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    if why == "no home":
        monkeypatch.delenv("XDG_CONFIG_HOME")
        monkeypatch.setattr(Path, "home", nobody)
    else:
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
        monkeypatch.setattr(Path, "open", closed)
    assert contexts.load() == Contexts()
    with pytest.raises(CommandError, match=r"no home|cannot read"), contexts.changing():
        pass


def test_a_redirect_takes_no_secret_along():
    """Broken: who answers for the node once gets what opens it."""
    seen: list[str] = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.path)
            self.send_response(307)
            self.send_header("Location", "/other")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        Thread(target=server.handle_request, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        answer = exchange(url, "GET", "/one", None, {"Authorization": "Bearer x"})
    assert (answer.status, seen) == (307, ["/one"])
