"""A new secret: shown in the answer to the form that made it, and nowhere else."""

from node.http.endpoint import Request
from node.http.forms import FormFields
from node.identity.accounts import parse_role
from node.ui.access.common import AccessList, end_in, patterns_given, sheet
from node.ui.context import UiContext
from node.ui.page import Sheet
from node.ui.pull import registry_name


async def made_secret(context: UiContext, name: str, fields: FormFields) -> str:
    """Make another secret of *name*, as the form says that `secret_form` draws."""
    made = await context.identity.accounts.add_credential(
        name,
        fields.one("label").strip(),
        expires=end_in(fields, context.now()),
        role=parse_role(fields.one("role")),
        patterns=patterns_given(fields),
        under=fields.one("once"),
    )
    return made.secret.text


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
