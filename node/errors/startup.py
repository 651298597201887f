"""What can stop a node from starting, told in one line."""


class StartupError(Exception):
    """The node cannot start; `str()` is the line for the operator."""


class DirectoryInUse(StartupError):
    """Another process uses the data directory."""


class HasLeft(StartupError):
    """The data directory is that of a node which has left its cluster."""
