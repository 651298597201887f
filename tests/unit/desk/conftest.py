"""The desk over an index in memory."""

from tests.unit.index.conftest import open_node, quarantined, wall

__all__ = ["open_node", "quarantined", "wall"]
