"""What a run leaves to be judged, in a file, so that it can be judged again with other rules."""

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tests.netfaults.causes import unexplained
from tests.netfaults.disturbances import Disturbance, Disturbances
from tests.netfaults.history import Op
from tests.netfaults.lateness import Lateness
from tests.netfaults.marks import needless
from tests.netfaults.rules import Rules
from tests.netfaults.violation import Violation
from tests.netfaults.writes import Name


@dataclass(frozen=True)
class Evidence:
    """The history, what was wrong meanwhile, and what all nodes had in the end."""

    history: list[Op]
    disturbances: Disturbances
    tags: dict[Name, str]
    """The manifest behind each tag."""

    manifests: set[Name]
    """Those that were pushed and are there."""

    lateness: Lateness

    def judge(self) -> Iterator[Violation]:
        """Every promise that the clients can have seen broken."""
        rules = Rules(self.history, self.disturbances)
        yield from rules.bodies()
        yield from rules.copies()
        yield from rules.reads()
        without_reason = unexplained(self.history, self.disturbances)
        for violation in (*without_reason, *needless(self.history, self.disturbances)):
            (op,) = violation.ops
            late_s = self.lateness.worst_between(op.start, op.end)
            late = f"the runner was up to {late_s:.2f} s late then"
            yield replace(violation, text=", ".join(filter(None, (violation.text, late))))
        yield from rules.final_tags(self.tags)
        yield from rules.final_manifests(self.manifests)

    def save(self, path: Path) -> None:
        """Write it down, a line for each thing."""
        things: list[dict[str, Any]] = [
            *({"op": asdict(op)} for op in self.history),
            *({"fault": _plain(each)} for each in self.disturbances.all),
            *({"tag": [repo, tag, digest]} for (repo, tag), digest in self.tags.items()),
            *({"manifest": list(name)} for name in sorted(self.manifests)),
            *({"late": list(late)} for late in self.lateness.noted),
        ]
        path.write_text("".join(json.dumps(thing) + "\n" for thing in things))

    @classmethod
    def load(cls, path: Path) -> "Evidence":
        """Read what `save` wrote."""
        things = [json.loads(line) for line in path.read_text().splitlines()]
        faults = [thing["fault"] for thing in things if "fault" in thing]
        tags = [thing["tag"] for thing in things if "tag" in thing]
        late = [thing["late"] for thing in things if "late" in thing]
        manifests = [thing["manifest"] for thing in things if "manifest" in thing]
        return cls(
            [Op(**thing["op"]) for thing in things if "op" in thing],
            Disturbances(
                [Disturbance(**fault | {"nodes": frozenset(fault["nodes"])}) for fault in faults]
            ),
            {(repo, tag): digest for repo, tag, digest in tags},
            {(repo, digest) for repo, digest in manifests},
            Lateness(lambda: math.inf, [(at, late_s) for at, late_s in late]),
        )


def _plain(disturbance: Disturbance) -> dict[str, Any]:
    return asdict(disturbance) | {"nodes": sorted(disturbance.nodes)}
