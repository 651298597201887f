"""What a client wants to have: a page, or what programs read."""

from aiohttp import hdrs, web

from node.errors import NotAcceptable

_PAGE_TYPES = ("text/html", "text/*", "*/*")


def takes_pages(http: web.BaseRequest) -> bool:
    """Whether an HTML page is an answer to *http*: also where it does not say."""
    accepted = http.headers.get(hdrs.ACCEPT, "")
    return not accepted or any(kind in _PAGE_TYPES for kind in _types(accepted))


def wants_pages(http: web.BaseRequest) -> bool:
    """Whether *http* asks for an HTML page by name, as browsers do and no client of a registry."""
    return "text/html" in _types(http.headers.get(hdrs.ACCEPT, ""))


def check_takes_pages(http: web.BaseRequest, route: str) -> None:
    """
    Return if *http* takes a page. *route* is where programs find the same.

    Raises:
        NotAcceptable: it asks for something else.
    """
    if not takes_pages(http):
        raise NotAcceptable(route)


def _types(accepted: str) -> list[str]:
    found = []
    for each in accepted.split(","):
        kind, _, parameters = each.partition(";")
        weights = [part.strip() for part in parameters.split(";")]
        if not any(part in ("q=0", "q=0.0", "q=0.00", "q=0.000") for part in weights):
            found.append(kind.strip().lower())
    return found
