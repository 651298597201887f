"""Naming an image on a node: HOST:PORT/REPOSITORY:TAG or HOST:PORT/REPOSITORY@DIGEST."""

from typing import NamedTuple
from urllib.parse import urlsplit

from node.cli.errors import CommandError


class Reference(NamedTuple):
    """*name* is a tag or a digest."""

    url: str
    repository: str
    name: str

    @property
    def is_digest(self) -> bool:
        return ":" in self.name


def parse_url(text: str) -> str:
    """
    The base URL of a node; http unless *text* says otherwise.

    Raises:
        CommandError: it is not one.
    """
    url = text.rstrip("/") if "://" in text else f"http://{text.rstrip('/')}"
    if not _is_address(url):
        raise CommandError(f"{text!r} is not the address of a node, HOST:PORT")
    return url


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port_is_good = parts.port is None or parts.port > 0
    except ValueError:
        return False
    named = parts.hostname is not None and parts.scheme in ("http", "https")
    return named and port_is_good and not (parts.path or parts.query or parts.fragment)


def parse_reference(text: str) -> Reference:
    """
    Take a reference apart. Without a tag it means `latest`, as with other clients.

    Raises:
        CommandError: it is not one.
    """
    scheme, _, rest = text.rpartition("://")
    host, slash, path = rest.partition("/")
    if not slash or not path:
        raise CommandError(f"{text!r} is not HOST:PORT/REPOSITORY:TAG")
    url = parse_url(f"{scheme}://{host}" if scheme else host)
    repository, at, digest = path.partition("@")
    if at:
        return Reference(url, repository.partition(":")[0], digest)
    repository, _, tag = path.partition(":")
    return Reference(url, repository, tag or "latest")
