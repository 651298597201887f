"""
What does it cost that everybody logs in?

Hypothesis: a check of the signature where a token is seen for the first time, and little after it.

Method: an open node and a closed one have the same image in a private project, where 1,000 robots
may pull, each with a token of its own. `wrk` with 32 connections reads the manifest by tag, with
the 1,000 tokens in turn; the open node gets the same requests, and lets in whoever sends them. Each
token has been seen before the rounds that count. Then 300 tokens that nobody has seen are used once
each, one request after the other on one connection, against 300 that were seen; and tokens are
asked for with the secrets of robots. A ratio is of one round.
"""

import argparse
import base64
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

from bench.machine import describe_machine
from bench.manifests import IMAGE, image_manifest
from bench.peers import Server
from bench.raw_http import Connection, push_blob, push_manifest
from bench.rounds import ROUNDS, Figure, Probe, measure
from bench.scratch import scratch
from bench.wrk import requests_per_s
from tests.e2e.administration import Administration
from tests.e2e.oci_layout import CONFIG_TYPE, describe
from tests.e2e.processes import ANY_ADMIN, OPEN
from tests.e2e.serve_cluster import ServeProcess

_PROJECT: Final = "bench"
_REPOSITORY: Final = f"{_PROJECT}/app"
_TAG: Final = f"/v2/{_REPOSITORY}/manifests/v1"
_TOKENS: Final = 1000
_NEW: Final = 300
_CONNECTIONS: Final = 32
_SECONDS: Final = 3
_SEEN_SECONDS: Final = 5
"""The first round does not count: by its end each token has come often enough to be remembered."""

_TURNS: Final = Path(__file__).parent / "tokens.lua"
_ANY: Final = "1000000000"
_OPEN, _CLOSED = "open", "logged in"
_DOORS: Final = {_OPEN: OPEN, _CLOSED: ANY_ADMIN}


@dataclass
class Robots:
    """Those that may pull, with their secrets; and tokens of theirs."""

    secrets: dict[str, str]
    tokens: list[str]
    file: Path
    """Of all *tokens*, a line each."""

    new: list[list[str]] = field(default_factory=list)
    """Tokens that were not used yet, those of a round in a list."""


def _ask_for_token(connection: Connection, name: str, secret: str) -> str:
    given = base64.b64encode(f"{name}:{secret}".encode()).decode()
    target = f"/token?scope=repository:{_REPOSITORY}:pull"
    answer = connection.request("GET", target, 200, headers={"Authorization": f"Basic {given}"})
    token: str = json.loads(answer.body)["token"]
    return token


def _make_robots(node: ServeProcess, directory: Path, rounds: int) -> Robots:
    admin, secrets = Administration(node=node), dict[str, str]()
    admin.project(_PROJECT)
    for number in range(_TOKENS):
        name = f"{_PROJECT}+r{number}"
        admin.do("POST", f"access/{_PROJECT}/robots", {"name": name})
        admin.role(_PROJECT, name, "puller")
        secrets[name] = admin.do("POST", f"robots/{name}/secrets", {"label": "bench"})["secret"]
    with Connection(node.http) as connection:
        tokens = [_ask_for_token(connection, *robot) for robot in secrets.items()]
        some = list(secrets.items())[:_NEW]
        new = [[_ask_for_token(connection, *robot) for robot in some] for _ in range(rounds + 1)]
    file = directory / "tokens"
    file.write_text("\n".join(tokens) + "\n")
    return Robots(secrets, tokens, file, new)


def _push(node: ServeProcess) -> None:
    blob = b"{}"
    digest = describe(CONFIG_TYPE, blob).digest
    fields = None if node.doors is OPEN else Administration(node=node).operator
    with Connection(node.http, fields) as connection:
        push_blob(connection, _REPOSITORY, digest, blob)
        manifest = image_manifest(digest, len(blob), "app")
        push_manifest(connection, _REPOSITORY, "v1", IMAGE, manifest)


@contextmanager
def _nodes(directory: Path) -> Iterator[dict[str, ServeProcess]]:
    with ExitStack() as stack:
        nodes = {}
        for name, doors in _DOORS.items():
            parent = directory / name.replace(" ", "-")
            parent.mkdir()
            # Counted, and never refused: one account may not send what a node can answer.
            options = ("--log-level", "error", "--token-life-s", "3600", "--account-rate", _ANY)
            nodes[name] = ServeProcess.alone(parent / "data", doors=doors, options=options)
            stack.callback(nodes[name].stop)
            nodes[name].start()
        for node in nodes.values():
            node.wait_ready()
        yield nodes


def _probes(robots: Robots) -> list[Probe]:
    def of_one(server: Server, number: int) -> float:
        headers = (f"Accept: {IMAGE}", f"Authorization: Bearer {robots.tokens[0]}")
        return _load(server, number, headers)

    def of_all(server: Server, number: int) -> float:
        return _load(server, number, (f"Accept: {IMAGE}",), robots.file)

    def seen(server: Server, number: int) -> float:
        return _one_by_one(server, robots.tokens[:_NEW])

    def new(server: Server, number: int) -> float:
        return _one_by_one(server, robots.new[number])

    return [
        Probe("one token", "requests/s", of_one),
        Probe(f"{_TOKENS:,} tokens in turn", "requests/s", of_all),
        Probe("one after the other, tokens seen before", "requests/s", seen),
        Probe("one after the other, tokens never seen", "requests/s", new),
    ]


def _load(
    server: Server, number: int, headers: tuple[str, ...], tokens: Path | None = None
) -> float:
    return requests_per_s(
        f"http://{server.address}{_TAG}",
        connections=_CONNECTIONS,
        seconds=_SECONDS if number else _SEEN_SECONDS,
        headers=headers,
        script=None if tokens is None else _TURNS,
        arguments=() if tokens is None else (str(tokens),),
    )


def _one_by_one(server: Server, tokens: Sequence[str]) -> float:
    with Connection(server.address) as connection:
        begun = time.perf_counter()
        for token in tokens:
            fields = {"Accept": IMAGE, "Authorization": f"Bearer {token}"}
            connection.request("GET", _TAG, 200, headers=fields)
        return len(tokens) / (time.perf_counter() - begun)


def _tokens_per_s(node: ServeProcess, robots: Robots) -> float:
    with Connection(node.http) as connection:
        begun = time.perf_counter()
        for robot in robots.secrets.items():
            _ask_for_token(connection, *robot)
        return len(robots.secrets) / (time.perf_counter() - begun)


def _row(figure: Figure) -> str:
    pairs = zip(figure.samples[_CLOSED], figure.samples[_OPEN], strict=True)
    ratios = [closed / opened for closed, opened in pairs]
    return (
        f"| {figure.question} | {figure.median_of(_OPEN):,.0f} "
        f"| {figure.median_of(_CLOSED):,.0f} "
        f"| **{median(ratios):.2f}** ({min(ratios):.2f} to {max(ratios):.2f}) |"
    )


def section(rounds: int) -> list[str]:
    """Measure; returns a section of a page."""
    with scratch("logged-in") as directory, _nodes(directory) as nodes:
        for node in nodes.values():
            _push(node)
        robots = _make_robots(nodes[_CLOSED], directory, rounds)
        servers = [Server(name, node.http) for name, node in nodes.items()]
        figures = measure(servers, _probes(robots), rounds)
        issued = _tokens_per_s(nodes[_CLOSED], robots)
    return [
        "## What logging in costs",
        "",
        "| manifest GET by tag, requests/s | open | logged in | logged in : open |",
        "|---|---:|---:|---:|",
        *map(_row, figures),
        "",
        f"Tokens for secrets of robots, one after the other: {issued:,.0f}/s.",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare a closed node with an open one.")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    rounds = parser.parse_args().rounds
    for name, value in describe_machine().items():
        print(f"- {name}: {value}")
    print("", *section(rounds), sep="\n")


if __name__ == "__main__":
    main()
