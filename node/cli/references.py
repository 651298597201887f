"""
Naming an image on a node: HOST:PORT/REPOSITORY:TAG or HOST:PORT/REPOSITORY@DIGEST.

What stands in front of the first slash is a host only if it looks like one, as with other clients:
it has a port or a dot, or is `localhost`, or an `http://` stands before it. `library/app:v1` names
no node, and nobody is asked for it unless something else says whom.
"""

from typing import NamedTuple
from urllib.parse import urlsplit

from node.cli.errors import CommandError
from node.cli.whereabouts import address_around


class Reference(NamedTuple):
    """*name* is a tag or a digest."""

    url: str
    repository: str
    name: str

    @property
    def is_digest(self) -> bool:
        return ":" in self.name

    @property
    def image(self) -> str:
        """The same without the node."""
        return f"{self.repository}{'@' if self.is_digest else ':'}{self.name}"


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


def _looks_like_host(host: str) -> bool:
    return host == "localhost" or any(mark in host for mark in ".:")


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port_is_good = parts.port is None or parts.port > 0
    except ValueError:
        return False
    named = parts.hostname is not None and parts.scheme in ("http", "https")
    return named and port_is_good and not (parts.path or parts.query or parts.fragment)


def parse_reference(text: str, given: str | None = None) -> Reference:
    """
    Take a reference apart. Without a tag it means `latest`, as with other clients.

    Who is asked is at the *given* address, whatever host the reference names; else at that host;
    else where the environment says.

    Raises:
        CommandError: it is not one, or nothing says who is asked.
    """
    scheme, _, rest = text.rpartition("://")
    host, slash, path = rest.partition("/")
    # A component of a repository's name may have dots, and has no colon.
    is_host = ":" in host if given else _looks_like_host(host)
    address: str | None
    if scheme or (slash and is_host):
        address = given or (f"{scheme}://{host}" if scheme else host)
    else:
        address, path = given or address_around(), rest
    if not path or (address is None and not slash):
        raise CommandError(f"{text!r} is not HOST:PORT/REPOSITORY:TAG")
    if address is None:
        raise CommandError(
            f"{text!r} names no node: write HOST:PORT/{text}, such as localhost:5001/{text}, or "
            "give --data-dir or --url"
        )
    url = parse_url(address)
    name, at, digest = path.partition("@")
    repository, colon, tag = name.partition(":")
    reference = Reference(url, repository, digest if at else tag if colon else "latest")
    if not reference.repository or not reference.name or (at and not reference.is_digest):
        raise CommandError(f"{text!r} is not HOST:PORT/REPOSITORY:TAG")
    return reference
