"""`python -m tests.netfaults`: run scenarios, print what was found, keep the figures."""

import argparse
import asyncio
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Final

from tests.e2e.processes import ProcessFailed
from tests.netfaults import report, sandbox
from tests.netfaults.evidence import Evidence
from tests.netfaults.run import EVIDENCE, Result, Run
from tests.netfaults.scenarios import SCENARIOS
from tests.netfaults.violation import Violation

RESULTS: Final = Path("results/netfaults")
NODE_FAILED: Final = "a node failed"


def main() -> int:
    """Carry out the command; the exit status is 1 when a promise was broken."""
    arguments = _parser().parse_args()
    if arguments.judge is not None:
        print("\n".join(map(str, Evidence.load(arguments.judge / EVIDENCE).judge())))
        return 0
    if not sandbox.is_inside():
        try:
            command = sandbox.command(sys.argv[1:])
        except sandbox.NotRoot as exc:
            print(f"netfaults: {exc}", file=sys.stderr)
            return 2
        os.execvpe(command[0], command, sandbox.environment())
    sandbox.prepare()
    names = list(SCENARIOS) if "all" in arguments.scenario else arguments.scenario
    arguments.results.mkdir(parents=True, exist_ok=True)
    broken = 0
    try:
        for number in range(arguments.runs):
            for name in names:
                broken += _run(arguments, name, arguments.seed + number)
    except KeyboardInterrupt:
        print("interrupted; what was started is gone")
        return 130
    print(f"{arguments.runs * len(names)} runs, {broken} with a broken promise")
    _report(arguments)
    return 1 if broken else 0


def _report(arguments: argparse.Namespace) -> None:
    lines = (arguments.results / "runs.jsonl").read_text().splitlines()
    results = [Result(**json.loads(line)) for line in lines]
    (arguments.results / "report.md").write_text(report.figures(results))
    print(f"figures of all {len(results)} runs so far: {arguments.results / 'report.md'}")
    if arguments.publish is not None:
        report.publish(arguments.publish, results)


def _run(arguments: argparse.Namespace, scenario: str, seed: int) -> bool:
    """One run; whether it broke a promise. The nodes' logs are kept then."""
    run = Run(
        scenario=scenario,
        seed=seed,
        duration_s=arguments.seconds,
        rate=arguments.rate,
        directory=arguments.results / f"{scenario}-{seed}",
    )
    result, violations = _carry_out(run)
    converged = "never" if result.converged_s is None else f"{result.converged_s:.2f} s"
    print(
        f"{scenario} seed {seed}: {result.faults} faults, {sum(result.operations.values())} ops, "
        f"{result.strict_operations} of them and {result.strict_s:.1f} s strict, "
        f"{result.acknowledged} pushes acknowledged, {result.unknown} unknown "
        f"({result.took_effect} took effect), agreed after {converged}, "
        f"timers up to {result.late_s:.2f} s late, "
        f"{sum(result.unconfirmed.values())} reads unconfirmed ({_counts(result.unconfirmed)}), "
        f"{result.stale_marked} of them stale; failed with a reason: {_counts(result.excused)}; "
        f"{result.violations or 'no violation'}",
        flush=True,
    )
    with (arguments.results / "runs.jsonl").open("a") as lines:
        lines.write(json.dumps(result.as_json()) + "\n")
    if not violations:
        if not arguments.keep:
            shutil.rmtree(run.directory)
        return False
    text = "\n".join(map(str, violations))
    (run.directory / "violations.txt").write_text(text + "\n")
    print(text, flush=True)
    return True


def _counts(numbers: dict[str, int]) -> str:
    """The biggest first."""
    told = sorted(numbers.items(), key=lambda each: -each[1])
    return "; ".join(f"{number} {name}" for name, number in told) or "none"


def _carry_out(run: Run) -> tuple[Result, list[Violation]]:
    """A node that ends by itself, or does not start, is a broken promise as well."""
    failures: list[BaseException] = []
    try:
        return asyncio.run(run.carry_out())
    except* ProcessFailed as group:
        failures += group.exceptions
    violations = [Violation(NODE_FAILED, (), str(failure)) for failure in failures]
    result = Result(
        scenario=run.scenario,
        seed=run.seed,
        duration_s=run.duration_s,
        violations={NODE_FAILED: len(failures)},
    )
    return result, violations


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.netfaults", description=__doc__)
    parser.add_argument(
        "--scenario",
        nargs="+",
        choices=[*SCENARIOS, "all"],
        default=["all"],
        metavar="NAME",
        help=f"one or several of all (all), {', '.join(SCENARIOS)}",
    )
    parser.add_argument("--runs", type=int, default=1, help="of each scenario (1)")
    parser.add_argument("--seconds", type=float, default=60.0, help="of load in each run (60)")
    parser.add_argument("--seed", type=int, default=1, help="of the first run (1)")
    parser.add_argument("--rate", type=float, default=30.0, help="operations a second (30)")
    parser.add_argument(
        "--results", type=Path, default=RESULTS, help=f"directory; adds to what it has ({RESULTS})"
    )
    parser.add_argument("--keep", action="store_true", help="keep the directory of every run")
    parser.add_argument("--judge", type=Path, help="only judge this run's directory once more")
    parser.add_argument("--publish", type=Path, help="document to put the figures into")
    return parser


if __name__ == "__main__":
    sys.exit(main())
