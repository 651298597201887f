"""
`python -m node` is the `atoll` command, and so is the program `atoll`.

What comes before the command's own imports is here: they take a second on a cold machine, and a
process that is the first of its container is not ended by a signal that it does not handle.
"""

import os
import signal
import sys


def main() -> None:
    """Run the command line of this process."""
    if sys.argv[1:2] == ["serve"]:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _stop_at_once)
    from node.cli import main as run

    run()


def _stop_at_once(number: int, frame: object) -> None:
    """Nothing has begun yet that would have to end; `node.main` takes over before it does."""
    os.write(sys.stderr.fileno(), b"atoll: stopped before anything was started\n")
    os._exit(0)


if __name__ == "__main__":
    main()
