"""A Prometheus of one's own, by the configuration of docs/monitoring.md; and its `promtool`."""

import json
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import yaml

from tests.e2e.clients import require
from tests.e2e.guides import blocks, sections
from tests.e2e.ports import free_port
from tests.e2e.processes import ProcessFailed, log_tail, stop_process, wait_until_up

T = TypeVar("T")

DOCS: Final = Path(__file__).resolve().parents[2] / "docs"
PAGE: Final = DOCS / "monitoring.md"
RULES: Final = DOCS / "monitoring" / "alerts.yml"

_INTERVAL: Final = "1s"
_UNTIL_S: Final = 90.0
_POLL_S: Final = 0.2


def promtool(*arguments: str | Path, given: bytes = b"") -> str:
    """What it says of something that is right; it fails the test where that is wrong."""
    done = subprocess.run(
        [require("promtool"), *arguments],
        input=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=120,
        check=False,
    )
    said = done.stdout.decode()
    assert done.returncode == 0, said
    return said


def documented() -> Any:
    """The configuration of the page."""
    [block] = blocks(sections(PAGE)["Scraping"], "yaml")
    return yaml.safe_load(block)


def at_once(rules: Path) -> Any:
    """The rules, without waiting: how long they wait is tried where time is made up."""
    document = yaml.safe_load(rules.read_text())
    for group in document["groups"]:
        for rule in group["rules"]:
            rule["for"] = "0s"
    return document


@dataclass(kw_only=True)
class Prometheus:
    """One that scrapes *targets* (host:port) each second. Use as a context manager."""

    directory: Path
    targets: Sequence[str]
    token: str = ""
    http: str = field(default_factory=lambda: f"127.0.0.1:{free_port()}")
    _program: str = field(default_factory=lambda: require("prometheus"))
    _process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.directory / "prometheus.log"

    def __enter__(self) -> Self:
        self.directory.mkdir(parents=True, exist_ok=True)
        config = documented()
        config["global"] = dict.fromkeys(config["global"], _INTERVAL)
        [job] = config["scrape_configs"]
        job["static_configs"] = [{"targets": list(self.targets)}]
        (self.directory / job["basic_auth"]["password_file"]).write_text(self.token)
        [rules] = config["rule_files"]
        (self.directory / rules).write_text(yaml.safe_dump(at_once(RULES)))
        (self.directory / "prometheus.yml").write_text(yaml.safe_dump(config))
        command = [
            self._program,
            f"--config.file={self.directory / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.directory / 'tsdb'}",
            f"--web.listen-address={self.http}",
        ]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            wait_until_up(self._process, self.log, self._is_up, "prometheus")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            stop_process(self._process, self.log)
            shutil.rmtree(self.directory / "tsdb", ignore_errors=True)

    def _is_up(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self.http}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def _ask(self, path: str, **query: str) -> Any:
        url = f"http://{self.http}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as exc:
            raise AssertionError(f"{query}: {exc.read().decode()}") from exc

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """The series that it has now, by their labels."""
        found = self._ask("query", query=expression)["result"]
        return [(each["metric"], float(each["value"][1])) for each in found]

    def firing(self) -> dict[str, dict[str, Any]]:
        """The alerts that fire, by name."""
        found = self._ask("alerts")["alerts"]
        return {each["labels"]["alertname"]: each for each in found if each["state"] == "firing"}

    def until(self, look: Callable[[], T | None], what: Callable[[], str]) -> T:
        """
        What *look* finds, as soon as that is something; *what* says what is not so.

        Raises:
            ProcessFailed: it finds nothing for long.
        """
        deadline = time.monotonic() + _UNTIL_S
        while not (found := look()):
            if time.monotonic() > deadline:
                raise ProcessFailed(
                    f"{what()}: after {_UNTIL_S:g} s; firing: {sorted(self.firing())}\n"
                    f"{log_tail(self.log)}"
                )
            time.sleep(_POLL_S)
        return found

    def until_fires(self, name: str) -> dict[str, Any]:
        """The alert *name*, once it fires."""
        return self.until(lambda: self.firing().get(name), lambda: f"{name} does not fire")

    def until_scraped(self, times: int = 3) -> None:
        """Return once each target that is up was scraped so often."""
        enough = f'count(count_over_time(up{{job="atoll"}}[1h]) >= {times})'
        wanted = len(self.targets)
        self.until(
            lambda: self.query(f"{enough} == {wanted}"), lambda: "not all targets are scraped"
        )
