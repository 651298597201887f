"""
Plans with accounts in them: the nodes, faults and layouts of a seed as `tests.sim.plan` draws them,
a third of its clients, and operators, log-ins and tokens of a random stream of their own.
"""

import random
from dataclasses import replace
from typing import Final

from tests.sim.plan import OPERATIONS, WORK_S, Plan, Step, make_plan

FAMILY: Final = "identity"
"""What the names of such seeds begin with: `identity 17`."""

ASKED: Final = ("change", "log_in", "renew", "use")
"""What operators and clients do."""

STEPS: Final = ("found", *ASKED)

PEOPLE: Final = ("alice", "bob")
ROBOTS: Final = ("lib+ci", "team+ci")
GROUP: Final = "devs"
PROJECTS: Final = ("lib", "team")
REPOSITORIES: Final = ("lib/app", "team/web")

CHANGES: Final = {
    "grant": 10, "revoke": 8, "deny": 4, "open": 3, "close": 4,
    "disable": 4, "enable": 4, "delete": 4, "create": 5, "recreate": 4,
    "put_in": 4, "take_out": 4, "delete_group": 1, "create_group": 3,
    "delete_project": 1, "create_project": 3, "recreate_project": 1,
    "password": 2, "secret": 3, "revoke_secret": 4, "revoke_key": 1,
}  # fmt: skip
"""What operators do, and how often."""

LONG_SPLIT: Final = 0.6
"""Share of the plans with a partition that outlasts the bound of log-ins."""

CLOSE: Final = 0.4
"""Share of the steps that come close to another one: versions that do not know of each other."""


def plan_of(seed: str) -> Plan:
    """The plan of a seed of either family, by its name."""
    family, _, number = seed.rpartition(" ")
    return make_identity_plan(number) if family == FAMILY else make_plan(seed)


def make_identity_plan(seed: str) -> Plan:
    """The plan of the seed `identity SEED`: the same wherever and whenever it is made."""
    plan = make_plan(seed)
    rng = random.Random(f"{FAMILY} {seed}")
    regions = sorted({region for _, region in plan.nodes})
    steps = [
        step
        for number, step in enumerate(plan.steps)
        if step["do"] not in OPERATIONS or number % 3 == 0
    ]
    steps += _steps(rng, regions) + _splits(rng, len(plan.nodes))
    steps.sort(key=lambda step: step["at"])
    bounds = {"token_life_s": rng.choice((2.0, 4.0)), "login_cutoff_s": rng.choice((2.0, 4.0))}
    return replace(plan, seed=f"{FAMILY} {seed}", steps=steps, identity=bounds)


def _steps(rng: random.Random, regions: list[str]) -> list[Step]:
    kinds = ["change"] * rng.randrange(25, 50) + ["log_in"] * rng.randrange(8, 16)
    kinds += ["renew"] * rng.randrange(12, 24) + ["use"] * rng.randrange(20, 40)
    steps = [_step(rng, "found", regions, 0.3)]
    for kind in kinds:
        at = rng.uniform(1.5, WORK_S)
        if rng.random() < CLOSE:
            at = rng.choice(steps)["at"] + rng.choice((0.0, 0.001, 0.05, 0.5))
        steps.append(_step(rng, kind, regions, at))
    return steps


def _step(rng: random.Random, kind: str, regions: list[str], at: float) -> Step:
    return {
        "at": round(at, 3),
        "do": kind,
        "what": rng.choices(tuple(CHANGES), tuple(CHANGES.values()))[0],
        "region": rng.choice(regions),
        "who": rng.choice((*PEOPLE, *ROBOTS)),
        "project": rng.choice(PROJECTS),
        "verb": rng.choice(("pull", "push", "delete")),
        "salt": rng.randrange(1 << 16),
    }


def _splits(rng: random.Random, count: int) -> list[Step]:
    if rng.random() >= LONG_SPLIT:
        return []
    step: Step = {
        "at": round(rng.uniform(3.0, 10.0), 3),
        "do": rng.choice(("region", "half")),
        "node": rng.randrange(count),
        "for": round(rng.uniform(9.0, 14.0), 3),
        "salt": rng.randrange(1 << 16),
    }
    return [step]
