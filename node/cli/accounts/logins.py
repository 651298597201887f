"""`atoll login`, `logout` and `context`: the clusters that somebody has logged in to."""

import ipaddress
from urllib.parse import urlsplit

from node.cli import contexts
from node.cli.credentials import log_in as ask_for_login
from node.cli.errors import CommandError
from node.cli.outcome import Outcome
from node.cli.references import parse_url
from node.cli.words import table


def check_private(url: str, *, plain_http: bool) -> None:
    """
    Return unless a password would be sent over a network that others read.

    Raises:
        CommandError: it would.
    """
    parts = urlsplit(url)
    if parts.scheme == "https" or plain_http or _is_loopback(parts.hostname or ""):
        return
    raise CommandError(
        f"{url} is another machine, and http is read on the way: use https://, or --plain-http on "
        "a network that you trust"
    )


def log_in(address: str, user: str, password: str, name: str | None) -> Outcome:
    """
    Log in to the node at *address*, and remember that under *name*, or its host and port.

    Raises:
        CommandError: it does not let them in.
    """
    url = parse_url(address)
    context = ask_for_login(url, user, password)
    name = name or urlsplit(url).netloc
    with contexts.changing() as known:
        contexts.save(known.with_one(name, context))
    return Outcome(f"logged in to {name} as {user}", {"name": name, "url": url, "user": user})


def log_in_again(url: str, user: str, password: str) -> None:
    """
    Have the contexts of *user* at *url* go by another password.

    Raises:
        CommandError: the node does not take it.
    """
    with contexts.changing() as known:
        theirs = [
            name for name, each in known.contexts.items() if (each.url, each.user) == (url, user)
        ]
        if theirs:
            context = ask_for_login(url, user, password)
            again = {**known.contexts, **dict.fromkeys(theirs, context)}
            contexts.save(contexts.Contexts(current=known.current, contexts=again))


def log_out(name: str | None) -> Outcome:
    """
    Forget a context, or the current one.

    Raises:
        CommandError: there is none.
    """
    with contexts.changing() as known:
        name = name or known.current
        if not name:
            raise CommandError("there is no current context: see `atoll context list`")
        contexts.save(known.without(name))
    return Outcome(f"logged out of {name}", {"name": name})


def listed() -> Outcome:
    """All contexts, and which is the current one."""
    known = contexts.load()
    rows = [
        {"name": name, "url": each.url, "user": each.user, "current": name == known.current}
        for name, each in sorted(known.contexts.items())
    ]
    shown = [
        ("*" if row["current"] else " ", str(row["name"]), str(row["user"]), str(row["url"]))
        for row in rows
    ]
    text = table([(" ", "NAME", "USER", "URL"), *shown])
    return Outcome(text, {"contexts": rows})


def use(name: str) -> Outcome:
    """
    Make a context the current one.

    Raises:
        CommandError: there is none of that name.
    """
    with contexts.changing() as known:
        contexts.save(known.with_one(name, known.get(name)))
    return Outcome(f"commands go to {name}", {"name": name})


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
