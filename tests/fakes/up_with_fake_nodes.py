"""
`atoll up` with `fake_node.py` in place of `atoll serve`: one node per region.

Arguments: regions, base port, directory, seconds from SIGTERM to SIGKILL; and --json, or nothing.
"""

import os
import sys
from pathlib import Path

from node.cli.cluster.local_nodes import parse_regions, plan, serve_command, shared_environment
from node.cli.cluster.supervisor import Supervisor

FAKE = str(Path(__file__).with_name("fake_node.py"))


def main(regions, base_port, directory, grace_s, *form):
    names = parse_regions(regions)
    cluster = plan(len(names), names, int(base_port), Path(directory))
    commands = {}
    for node in cluster:
        interpreter, _, _, _, *flags = serve_command(node, cluster)
        commands[node] = [interpreter, FAKE, *flags]
    supervisor = Supervisor(
        commands,
        directory=Path(directory),
        environ=shared_environment(os.environ),
        stop_grace_s=float(grace_s),
        as_json=form == ("--json",),
    )
    return supervisor.run()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
