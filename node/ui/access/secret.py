"""A new secret: shown in the answer to the form that made it, and nowhere else."""

from node.http.endpoint import Request
from node.ui.access.common import AccessList, sheet
from node.ui.context import UiContext
from node.ui.page import Sheet
from node.ui.pull import registry_name


def secret_sheet(
    context: UiContext, request: Request, here: AccessList, name: str, secret: str, onward: str
) -> Sheet:
    """
    The page with the *secret* of *name*; *onward* leads to all that they have.

    No address has it, nobody keeps the page, and who sends its form once more makes no other.
    """
    registry = registry_name(context, request.http)
    values = {
        "name": name,
        "secret": secret,
        "command_line": f"docker login -u {name} --password-stdin {registry}",
        "onward": onward,
    }
    return sheet(request, "secret", f"A secret of {name}", here, values)
