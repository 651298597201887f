"""
What happens in one simulation, as plain data made from a seed.

A plan is a topology and a list of steps; a step is a dictionary with a time `at` (seconds) and
what to `do`. Steps name nodes by number and carry their own salt for further choices, so that
dropping one step (`shrink`) does not change what the others mean.
"""

import json
import random
from dataclasses import dataclass, field
from typing import Any, Final

from node.index.history import KEPT_MAX

Step = dict[str, Any]

OPERATIONS: Final = (
    "push", "push_index", "retag", "delete_tag", "delete_manifest", "delete_blob", "pull_tag",
    "pull_digest", "pull_blob", "list_tags", "referrers",
)  # fmt: skip
PUTS: Final = frozenset({"push", "push_index", "retag"})
"""What puts a manifest there."""

WRITES: Final = PUTS | {"delete_tag", "delete_manifest", "delete_blob"}

FAULTS: Final = (
    "half", "one_way", "region", "bridge", "loss", "delay", "duplication", "reordering",
    "kill", "pause", "power_cut", "clock_jump", "clock_drift", "wipe", "restore", "clone",
    "away", "poison", "disk_full", "io_error", "sync_error", "leave", "join", "older",
    "remove", "layout",
)  # fmt: skip
DESTROYING: Final = frozenset({"wipe", "restore", "clone", "leave", "remove"})
"""Faults after which a disk is not what it was; one a run, as nothing brings its copies back."""

CHANGING: Final = 0.3
"""Share of the plans in which operators change the layout every few seconds."""

TRIMMING: Final = 0.4
"""Share of the plans in which the logs are trimmed after seconds."""

NARROW: Final = 0.25
"""Share of the plans in which queues and tables are so small that they fill."""

BOUNDS: Final = {
    "confirmed_max": 4,
    "fetches_max": 1,
    "replications_max": 1,
    "replications_queue_max": 2,
    "checkpoints_max": 1,
    "rumours_max": 4,
    "rumours_per_message_max": 3,
    "push_batch_bytes": 1500,
}
"""What they are then."""

POLICIES: Final = 0.3
"""Share of the plans in which a project's writes wait for less than usual, or for more."""

FORGETFUL: Final = 0.2
"""Share of the plans in which a tag's history is so short that it is trimmed."""

SHORT_HISTORY: Final = 8

IMPATIENT: Final = 0.2
"""Share of the plans in which a write that lacks its copies gets 503 after a second or so."""

WORK_S: Final = 25.0
_WEIGHTS: Final = (24, 6, 7, 6, 6, 5, 18, 9, 10, 5, 6)
"""Of `OPERATIONS`, in their order."""

SUBJECTS: Final = 0.25
"""Share of the pushes that name another manifest as their subject: signatures and the like."""

NESTED: Final = 0.2
"""Share of the image indexes that list another one."""

OF_AN_INDEX: Final = 0.5
"""Share of what is read and deleted by digest that is listed by an image index, where one is."""

ECHOES: Final = ("pull_tag", "pull_tag", "pull_blob", "pull_digest", "list_tags")
"""What reads back what a push has just brought."""


@dataclass
class Plan:
    seed: str
    nodes: list[tuple[str, str]]
    """Name and region of each node."""
    steps: list[Step]
    work_s: float = WORK_S
    """When the faults end and the cluster must heal."""
    copies: int = 2
    tuning: dict[str, Any] = field(default_factory=dict)
    """Fields of `ClusterConfig` that differ from their defaults."""
    history_max: int = KEPT_MAX
    """Writes of a tag that are kept."""

    identity: dict[str, float] = field(default_factory=dict)
    """The bounds of tokens and log-ins where it is about who may do what (`tests.sim.identity`)."""

    notes: dict[str, str] = field(default_factory=dict)
    """Of a plan that is kept (`replay`): what it shows."""

    def dumps(self) -> str:
        steps = ",\n  ".join(json.dumps(step) for step in self.steps)
        head = {
            "seed": self.seed,
            "nodes": self.nodes,
            "work_s": self.work_s,
            "copies": self.copies,
            "tuning": self.tuning,
            "history_max": self.history_max,
            "notes": self.notes,
        } | ({"identity": self.identity} if self.identity else {})
        return f'{json.dumps(head)[:-1]}, "steps": [\n  {steps}\n]}}\n'

    @classmethod
    def loads(cls, text: str) -> "Plan":
        data = json.loads(text)
        nodes = [(name, region) for name, region in data["nodes"]]
        return cls(
            data["seed"],
            nodes,
            data["steps"],
            data["work_s"],
            data["copies"],
            data.get("tuning", {}),
            data.get("history_max", KEPT_MAX),
            identity=data.get("identity", {}),
            notes=data.get("notes", {}),
        )


def make_plan(seed: str) -> Plan:
    """The plan of *seed*: the same wherever and whenever it is made."""
    rng = random.Random(f"plan {seed}")
    regions = ["eu", "us", "ap"][: rng.choice((2, 2, 3))]
    count = rng.choice((3, 4, 4, 5, 5, 5, 6, 7, 9))
    nodes = [(f"n{i}", regions[i % len(regions)]) for i in range(count)]
    steps = _operations(rng, regions) + _faults(rng, count)
    steps += _policies(random.Random(f"policies {seed}"), regions)
    steps += _layouts(random.Random(f"layouts {seed}"), count)
    steps.sort(key=lambda step: step["at"])
    forgetting = any(step["do"] == "away" for step in steps)
    tuning = _tuning(random.Random(f"tuning {seed}"), forgetting=forgetting)
    forgets = random.Random(f"history {seed}").random() < FORGETFUL
    return Plan(
        seed, nodes, steps, tuning=tuning, history_max=SHORT_HISTORY if forgets else KEPT_MAX
    )


def _tuning(rng: random.Random, *, forgetting: bool) -> dict[str, float]:
    """
    Times so short that what takes days elsewhere happens here. A stream of its own.

    Some fault is about what the others forget: it has met nothing where they did not.
    """
    tuning: dict[str, float] = {}
    if rng.random() < TRIMMING or forgetting:
        tuning |= {"trim_interval_s": 1.0, "log_settled_s": 1.5, "log_away_s": rng.choice((3, 8))}
    if rng.random() < IMPATIENT:
        tuning["durable_timeout_s"] = rng.choice((0.5, 1.5))
    if rng.random() < NARROW:
        tuning |= BOUNDS
    return tuning


def _policies(rng: random.Random, regions: list[str]) -> list[Step]:
    if rng.random() >= POLICIES:
        return []
    policy: Step = {
        "at": 0.1,
        "do": "policy",
        "region": rng.choice(regions),
        "project": rng.choice(("lib", "team")),
        "consistency": rng.choice(("local", "global")),
        "salt": rng.randrange(1 << 16),
    }
    return [policy]


def _layouts(rng: random.Random, count: int) -> list[Step]:
    if rng.random() >= CHANGING:
        return []
    steps: list[Step] = []
    at = rng.uniform(1.0, 4.0)
    while at < WORK_S - 4:
        step = {"at": round(at, 3), "do": "layout", "node": rng.randrange(count), "for": 0.0}
        steps.append({**step, "salt": rng.randrange(1 << 16)})
        at += rng.uniform(1.0, 6.0)
    return steps


def _operations(rng: random.Random, regions: list[str]) -> list[Step]:
    repositories = ["lib/app", "lib/app2", "team/web"][: rng.choice((1, 2, 3))]
    tags = ["v1", "v2", "latest"][: rng.choice((1, 2, 3))]
    steps: list[Step] = []
    for number in range(rng.randrange(40, 90)):
        kind = rng.choices(OPERATIONS, _WEIGHTS)[0]
        step: Step = {
            "at": round(rng.uniform(0.5, WORK_S), 3),
            "do": kind,
            "region": rng.choice(regions),
            "repo": rng.choice(repositories),
            "tag": rng.choice(tags),
            "salt": rng.randrange(1 << 16),
        }
        if kind == "push":
            step["layers"] = [rng.choice((f"base{rng.randrange(3)}", f"own{number}"))]
            step["subject"] = rng.random() < SUBJECTS
        elif kind == "push_index":
            step["children"] = [
                [rng.choice((f"base{rng.randrange(3)}", f"own{number}.{child}"))]
                for child in range(rng.choice((1, 2)))
            ]
            step["known"] = rng.random() < 0.5
            step["nested"] = rng.random() < NESTED
        elif kind in ("delete_manifest", "pull_digest", "pull_blob"):
            step["child"] = rng.random() < OF_AN_INDEX
        if kind in PUTS:
            step["echo"] = rng.choice(ECHOES)
        if rng.random() < 0.3 and steps:
            # Close to another one: concurrent writes, and reads right after a write.
            step["at"] = round(rng.choice(steps)["at"] + rng.choice((0.0, 0.001, 0.05, 0.5)), 3)
        steps.append(step)
    return steps


def _faults(rng: random.Random, count: int) -> list[Step]:
    steps: list[Step] = []
    destroyed = False
    for _ in range(rng.choice((0, 1, 2, 2, 3, 3, 4, 5))):
        kind = rng.choice(FAULTS)
        if kind in DESTROYING:
            if destroyed:
                continue
            destroyed = True
        at = round(rng.uniform(1.0, WORK_S - 4), 3)
        step: Step = {
            "at": at,
            "do": kind,
            "node": rng.randrange(count),
            "for": round(rng.choice((0.3, 1.0, 2.5, 5.0, 9.0, 16.0)) * rng.uniform(0.7, 1.3), 3),
            "salt": rng.randrange(1 << 16),
        }
        if kind == "away":
            step["for"] = round(rng.uniform(12.0, 20.0), 3)
            step["at"] = round(rng.uniform(1.0, WORK_S - 16), 3)
        elif kind in ("clock_jump", "clock_drift"):
            step["offset_ms"] = rng.choice((-3_600_000, -3000, -450, -200, 200, 450, 900, 4000))
        elif kind == "restore":
            earlier = round(max(0.5, at - rng.uniform(1.0, 12.0)), 3)
            steps.append({"at": earlier, "do": "snapshot", "node": step["node"], "salt": 0})
        elif kind == "clone":
            step["alive"] = rng.random() < 0.5
        elif kind == "leave":
            step["for_good"] = rng.random() < 0.5
        steps.append(step)
    return steps
