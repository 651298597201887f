"""Commands by which an image is pulled: of the name under which clients know the registry."""

from urllib.parse import urlsplit

from aiohttp import web

from node.http.session_cookie import is_local
from node.ui.context import UiContext


def registry_name(context: UiContext, http: web.BaseRequest) -> str:
    """
    `HOST` or `HOST:PORT`, as it stands before the name of an image: the configured one, that which
    a trusted proxy was asked for, or that of this node. What the browser asked for counts on the
    own machine alone: else whoever makes up a `Host` would have it copied into terminals.
    """
    named = context.public_url.vouched_for(http)
    if not named and is_local(http):
        named = context.public_url.of(http)
    return urlsplit(named).netloc or context.advertised


def pull_command(registry: str, reference: str) -> str:
    """The command for an image; *reference* is `NAME:TAG` or `NAME@DIGEST`, and well-formed."""
    return f"docker pull {registry}/{reference}"
