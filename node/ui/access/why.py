"""Why somebody may do something, or may not."""

from typing import Any, Final

from node.errors import NameInvalid, QueryInvalid
from node.http.endpoint import Action, Request
from node.http.query import Single, text
from node.identity.actions import RULES, Reach
from node.ui.access.common import WHY, AccessList, Choice, access_page, sheet
from node.ui.context import UiContext
from node.ui.page import Sheet


def _action(given: str) -> Action | None:
    if given and given not in {*Action}:
        raise QueryInvalid("there is no such action")
    return Action(given) if given else None


_USER: Final = text("user", "A user or a robot; empty: a stranger.")
_ACTION: Final[Single[Action | None]] = Single(
    name="action", doc="What they would do.", parse=_action, default=None
)
_REPOSITORY: Final = text("repository", "A repository, or a project.")

_IN_WORDS: Final = {
    Action.MANIFEST_READ: "pull",
    Action.MANIFEST_WRITE: "push",
    Action.MANIFEST_DELETE: "delete an image",
    Action.TAG_ROLLBACK: "roll a tag back",
    Action.PROJECT_WRITE: "set the policy of the project",
    Action.GRANT_WRITE: "give roles in the project",
    Action.ROBOT_CREATE: "make robots",
    Action.STATUS: "look at the cluster",
    Action.LAYOUT_APPLY: "change the layout",
    Action.USER_CREATE: "make users",
}
"""What people ask about most, first. The others are called as the API has them."""


async def why(context: UiContext, request: Request) -> Sheet:
    """The form; and the answer to what was asked, as the API tells it."""
    query = request.query()
    name, action = query.one(_USER) or "", query.one(_ACTION)
    where = (query.one(_REPOSITORY) or "").strip()
    values: dict[str, Any] = {
        "asked_for": {"user": name, "action": action or "", "repository": where},
        "actions": _choices(),
        "answer": None,
    }
    if action is not None:
        found = context.identity.explain(name.strip(), action, where)
        rule = RULES[action]
        values["answer"] = {
            "kind": "ok" if found.allowed else "bad",
            "word": "Yes" if found.allowed else "No",
            "who": name or "A stranger",
            "action": _IN_WORDS.get(action, action),
            "where": where,
            "reason": found.reason,
            "until": found.until,
            "needs_where": not where and rule.reach in (Reach.REPOSITORY, Reach.PROJECT),
        }
    return sheet(request, "why", "Why", AccessList.WHY, values, "atoll auth why --help")


def _choices() -> list[Choice]:
    """All actions that take a role, but for pages, which have the rules of the API."""
    others = sorted(
        each
        for each, rule in RULES.items()
        if rule.reach in (Reach.REPOSITORY, Reach.PROJECT, Reach.CLUSTER)
        and each not in _IN_WORDS
        and not each.startswith("page.")
    )
    first = [Choice(each, f"{told} ({each})") for each, told in _IN_WORDS.items()]
    return [*first, *(Choice(each, each) for each in others)]


ENDPOINTS: Final = (
    access_page(
        Action.PAGE_WHY,
        WHY,
        why,
        "Tell whether somebody may do something, and why.",
        route="/atoll/v1/why",
        parameters=(_USER, _ACTION, _REPOSITORY),
        errors=(NameInvalid, QueryInvalid),
    ),
)
