"""`atoll admin init`: how a cluster comes to have somebody who may do anything."""

from node.cli.access.access import EVERYWHERE, grant
from node.cli.client import ask_for
from node.cli.errors import CommandError
from node.cli.outcome import Outcome
from node.cli.references import parse_url


def init(url: str, name: str, password: str) -> Outcome:
    """
    Make the first admin of the cluster.

    Raises:
        CommandError: there is one, or the node did not do all of it.
    """
    base = parse_url(url)
    found = ask_for(base, "GET", EVERYWHERE).document["roles"]
    if admins := [each["subject"] for each in found if each["role"] == "admin"]:
        raise CommandError(f"there are admins: {', '.join(admins)}; they make others")
    ask_for(base, "POST", "/atoll/v1/users", body={"name": name, "password": password})
    try:
        grant(url, None, {"subject": name, "role": "admin"})
    except CommandError as exc:
        grant_it = f"atoll role grant {name} admin --everywhere"
        raise CommandError(f"{exc}; user {name} is there and has no role: {grant_it}") from exc
    return Outcome(f"{name} is the first admin: atoll login --user {name}", {"name": name})
