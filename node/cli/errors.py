"""Why a command could not do its work."""


class CommandError(Exception):
    """`str()` is one line for the person who typed the command."""
