"""Which version of Atoll this is."""

from importlib.metadata import PackageNotFoundError, version


def own_version() -> str:
    """That of the installed package; 0 where it runs from a source tree."""
    try:
        return version("atoll")
    except PackageNotFoundError:
        return "0"
