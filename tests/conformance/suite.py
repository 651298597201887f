"""Run the OCI conformance program and read its report."""

import os
import re
import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.e2e.administration import PASSWORD, Administration

_TIMEOUT_S: Final = 300.0
_OUTPUT_TAIL_CHARS: Final = 4000
_MOUNT: Final = re.compile(r"/mount( anonymous)?/blob-mount")


@dataclass(frozen=True)
class Case:
    """One case of the suite that did not simply pass."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


@dataclass(frozen=True)
class Report:
    """What one run found. *disabled* cases are features that this version leaves out."""

    tests: int
    failures: int
    errors: int
    disabled: int
    failed: Sequence[Case]
    skipped: Sequence[Case]

    def __str__(self) -> str:
        counts = (
            f"{self.tests} tests, {self.failures} failures, {self.errors} errors, "
            f"{len(self.skipped)} skipped, {self.disabled} disabled"
        )
        named = [f"  failed {case}" for case in self.failed]
        named += [f"  skipped {case}" for case in self.skipped]
        return "\n".join([counts, *named])


def may_run_suite(admin: Administration, version: str) -> str:
    """Make a user who may do what the suite does, in its project and no other; returns the name."""
    name = f"suite-{version}"
    admin.user(name)
    admin.project(_project(version))
    admin.role(_project(version), name, "maintainer")
    return name


def _project(version: str) -> str:
    return f"conformance-{version}"


def run_suite(
    program: str, registry: str, version: str, results: Path, *, user: str | None = None
) -> Report:
    """
    Run the suite for one version of the specification; reports go into *results*. It logs in as
    *user* when asked to.

    Raises:
        RuntimeError: the program ended without a report.
    """
    results.mkdir(parents=True, exist_ok=True)
    report = results / "junit.xml"
    report.unlink(missing_ok=True)
    # Nothing of the caller's OCI_* may switch a part of the suite off.
    env = {name: value for name, value in os.environ.items() if not name.startswith("OCI_")}
    env |= {
        "OCI_VERSION": version,
        "OCI_REGISTRY": registry,
        "OCI_TLS": "disabled",
        # The suite counts on repositories that start empty.
        "OCI_REPO1": f"{_project(version)}/one",
        "OCI_REPO2": f"{_project(version)}/two",
        # Off by default in 1.1; on, the suite has nothing left to skip.
        "OCI_API_BLOBS_UPLOAD_CANCEL": "true",
        "OCI_RESULTS_DIR": str(results),
        "OCI_LOG": "error",
    }
    if user is not None:
        env |= {"OCI_USERNAME": user, "OCI_PASSWORD": PASSWORD}
    # The exit status is not used: 1 means both "a case failed" and "could not run".
    done = subprocess.run(
        [program],
        env=env,
        cwd=results,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    if not report.exists():
        raise RuntimeError(f"no report from {program}\n{done.stdout[-_OUTPUT_TAIL_CHARS:]}")
    return read_report(report)


def assert_nothing_is_left_out(report: Report, user: str | None) -> None:
    """
    A case is skipped where the suite tried an optional feature and did not find it. To who logs in
    mounts are left: the suite asks for a token for each repository, and a mount takes one for both.
    """
    skipped = [case for case in report.skipped if user is None or not _MOUNT.search(case.name)]
    assert not skipped, report


def read_report(path: Path) -> Report:
    """Read a JUnit report; the counts are its own, not ours."""
    root = ElementTree.parse(path).getroot()
    suites = list(root.iter("testsuite"))
    return Report(
        tests=_total(suites, "tests"),
        failures=_total(suites, "failures"),
        errors=_total(suites, "errors"),
        disabled=_total(suites, "disabled"),
        failed=_cases(root, {"failure", "error"}),
        skipped=_cases(root, {"skipped"}),
    )


def _total(suites: Sequence[ElementTree.Element], count: str) -> int:
    return sum(int(suite.get(count, "0")) for suite in suites)


def _cases(root: ElementTree.Element, statuses: set[str]) -> list[Case]:
    return [
        Case(case.get("name", "?"), _first_line(case.findtext("system-out")))
        for case in root.iter("testcase")
        if case.get("status") in statuses
    ]


def _first_line(text: str | None) -> str:
    lines = (text or "").strip().splitlines()
    return lines[0] if lines else "no reason given"
