"""What a run leaves to be judged, in a file, so that it can be judged again with other rules."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.netfaults.disturbances import Disturbance, Disturbances
from tests.netfaults.history import Op
from tests.netfaults.rules import Rules, Violation


@dataclass(frozen=True)
class Evidence:
    """The history, what was wrong meanwhile, and the tags that all nodes had in the end."""

    history: list[Op]
    disturbances: Disturbances
    tags: dict[tuple[str, str], str]

    def judge(self) -> Iterator[Violation]:
        """Every promise that the clients can have seen broken."""
        rules = Rules(self.history, self.disturbances)
        yield from rules.reads()
        yield from rules.answers()
        yield from rules.final_tags(self.tags)

    def save(self, path: Path) -> None:
        """Write it down, a line for each thing."""
        things: list[dict[str, Any]] = [
            *({"op": asdict(op)} for op in self.history),
            *({"fault": _plain(each)} for each in self.disturbances.all),
            *({"tag": [repo, tag, digest]} for (repo, tag), digest in self.tags.items()),
        ]
        path.write_text("".join(json.dumps(thing) + "\n" for thing in things))

    @classmethod
    def load(cls, path: Path) -> "Evidence":
        """Read what `save` wrote."""
        things = [json.loads(line) for line in path.read_text().splitlines()]
        faults = [thing["fault"] for thing in things if "fault" in thing]
        tags = [thing["tag"] for thing in things if "tag" in thing]
        return cls(
            [Op(**thing["op"]) for thing in things if "op" in thing],
            Disturbances(
                [Disturbance(**fault | {"nodes": frozenset(fault["nodes"])}) for fault in faults]
            ),
            {(repo, tag): digest for repo, tag, digest in tags},
        )


def _plain(disturbance: Disturbance) -> dict[str, Any]:
    return asdict(disturbance) | {"nodes": sorted(disturbance.nodes)}
