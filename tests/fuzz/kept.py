"""Inputs that were answered wrongly once, as files that are tried ever after."""

import hashlib
import json
from pathlib import Path
from typing import Final

import msgspec

from tests.fuzz.record import Fault
from tests.fuzz.target import Input
from tests.fuzz.targets import TARGETS

WHERE: Final = Path(__file__).parent / "regressions"


def keep(directory: Path, target: str, fault: Fault) -> Path:
    """Write a fault's input down; returns where it is."""
    directory.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(fault.given.encode()).hexdigest()[:8]
    path = directory / f"{target}-{name}.json"
    document = {"target": target, "says": fault.says[:600], "input": json.loads(fault.given)}
    path.write_text(json.dumps(document, indent=2) + "\n")
    return path


def read(path: Path) -> tuple[str, Input]:
    """The target and the input of a file."""
    document = json.loads(path.read_text())
    made = msgspec.convert(document["input"], TARGETS[document["target"]].input_type, strict=True)
    return document["target"], made
