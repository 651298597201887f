"""`systemctl` as a page types it, for a node that a test started."""

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from tests.e2e.processes import ProcessFailed
from tests.e2e.serve_cluster import ServeProcess

_SCRIPT: Final = """#!/bin/sh
echo "$@" >{requests}
read -r answer <{answers}
[ "$answer" = done ]
"""

_END: Final = "end"


@dataclass(kw_only=True)
class ServiceManager:
    """Stops and starts nodes, by the names of their services. Use as a context manager."""

    directory: Path
    services: Mapping[str, ServeProcess]
    _thread: threading.Thread = field(init=False)

    def __enter__(self) -> Self:
        requests, answers = self.directory / "requests", self.directory / "answers"
        for pipe in (requests, answers):
            os.mkfifo(pipe)
        program = self.directory / "systemctl"
        program.write_text(_SCRIPT.format(requests=requests, answers=answers))
        program.chmod(0o755)
        self._thread = threading.Thread(target=self._serve, args=(requests, answers), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        (self.directory / "requests").write_text(f"{_END}\n")
        self._thread.join()

    def _serve(self, requests: Path, answers: Path) -> None:
        while (asked := requests.read_text().split()) != [_END]:
            answers.write_text(f"{self._done(*asked)}\n")

    def _done(self, verb: str, service: str) -> str:
        node = self.services[service]
        try:
            if verb == "start":
                node.start()
            else:
                node.stop()
        except ProcessFailed as failure:
            return str(failure).replace("\n", " ")
        return "done"
