"""
Settings: one frozen `Settings` object, read once from file, environment and flags.

The only reader of `ATOLL_*` variables and of the TOML file. Imports nothing that uses settings.
"""

from node.settings.kinds import Address
from node.settings.model import Settings
from node.settings.sources import SettingsError, load

__all__ = ["Address", "Settings", "SettingsError", "load"]
