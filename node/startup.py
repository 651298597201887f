"""What can stop a node from starting, told in one line."""


class StartupError(Exception):
    """The node cannot start; `str()` is the line for the operator."""
