"""Why a command could not do its work."""


class CommandError(Exception):
    """`str()` is one line for the person who typed the command."""


class PushRefused(Exception):
    """The node did not take what was pushed; `str()` is what it said."""
