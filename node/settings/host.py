"""The name of a node that nobody has named: after its machine."""

import re
import socket

from cluster.model import NODE_ID


def default_node_name(host_name: str) -> str:
    """Make a valid node name of a host name: its first label, lower case, odd characters as -."""
    label = re.sub(r"[^a-z0-9_-]+", "-", host_name.lower().partition(".")[0])[:63].strip("_-")
    return label if NODE_ID.fullmatch(label) is not None else "node"


def this_host() -> str:
    """A node name made of this machine's host name."""
    return default_node_name(socket.gethostname())
