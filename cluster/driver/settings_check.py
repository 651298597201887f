"""Notices where settings differ that have to be the same on every node."""

from collections.abc import Mapping

from cluster.environment import Environment
from cluster.model import NodeId


class SettingsCheck:
    """
    Keeps the settings of each member that differ from this node's.

    Nobody is refused for it: people change a setting on one node after the other. The engine does
    not know what a setting means. It compares the texts of those that both nodes have.
    """

    def __init__(self, env: Environment) -> None:
        self._env = env
        self._differing: dict[NodeId, Mapping[str, str]] = {}

    def note(self, node: NodeId, theirs: Mapping[str, str]) -> None:
        """Take note of what *node* says of its settings."""
        mine = self._env.config.settings
        differing = {name: text for name, text in theirs.items() if mine.get(name, text) != text}
        if differing == self._differing.get(node, {}):
            return
        if differing:
            self._differing[node] = differing
            here = {name: mine[name] for name in differing}
            self._env.log.warning(
                "settings differ from a member's", peer=node, there=differing, here=here
            )
        else:
            del self._differing[node]
            self._env.log.info("settings are those of the member again", peer=node)

    def differing(self, node: NodeId) -> Mapping[str, str]:
        return self._differing.get(node, {})

    def forget(self, node: NodeId) -> None:
        self._differing.pop(node, None)
