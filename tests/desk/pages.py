"""The pages that are looked at in a browser. A new page is one line here."""

from typing import Final, NamedTuple

HOSTILE_TAG: Final = "t" * 128

LONG_NAME: Final = "w" * 128
"""Of a user, with no place where a line could end."""

LONG_ROBOT: Final = "m" * 63


class LookedAt(NamedTuple):
    """A page, by its address, in the registry that `tests.desk.conftest` fills."""

    name: str
    path: str
    logged_in: bool = True
    """Whether somebody looks who may do everything; else a stranger."""


PAGES: Final = (
    LookedAt("overview", "/ui/"),
    LookedAt("a tag", "/ui/i/lib/app:v1"),
    LookedAt("a conflict", "/ui/i/lib/app:both"),
    LookedAt("going back", "/ui/i/lib/app:v1?rollback=EVENT"),
    LookedAt("a deleted tag", "/ui/i/lib/app:gone"),
    LookedAt("a hostile image", f"/ui/i/lib/evil:{HOSTILE_TAG}"),
    LookedAt("activity", "/ui/activity"),
    LookedAt("cluster", "/ui/cluster"),
    LookedAt("settings", "/ui/settings"),
    LookedAt("access", "/ui/access"),
    LookedAt("access: own account", "/ui/access?of=account"),
    LookedAt("access: groups", "/ui/access?of=groups"),
    LookedAt("access: projects", "/ui/access?of=projects"),
    LookedAt("access: robots", "/ui/access?of=robots"),
    LookedAt("access: roles", "/ui/access?of=roles"),
    LookedAt("access: keys", "/ui/access?of=keys"),
    LookedAt("access: nobody found", "/ui/access?of=users&q=nobody"),
    LookedAt("access: deleting a user", f"/ui/access/users/{LONG_NAME}?confirm=delete"),
    LookedAt("access: a group", "/ui/access/groups/ops?confirm=delete"),
    LookedAt("access: a project", "/ui/access/projects/lib"),
    LookedAt("access: a robot", f"/ui/access/robots/lib%2B{LONG_ROBOT}?confirm=delete"),
    LookedAt("access: why", "/ui/access/why?user=ann&action=manifest.write&repository=lib/app"),
    LookedAt("log-in", "/ui/login", logged_in=False),
    LookedAt("logged out", "/ui/logout", logged_in=False),
    LookedAt("a stranger", "/ui/", logged_in=False),
    LookedAt("nothing there", "/ui/nothing"),
    LookedAt("repositories", "/ui/repos?sort=pushed"),
    LookedAt("no repositories", "/ui/repos?q=nothing"),
    LookedAt("a repository", "/ui/i/lib/app"),
    LookedAt("tags that are not there", "/ui/i/lib/app?q=nothing"),
    LookedAt("a project", "/ui/p/lib"),
    LookedAt("found", "/ui/search?q=lib"),
    LookedAt("not found", "/ui/search?q=no-such-thing"),
)

WIDTHS: Final = (320, 360, 768, 1280)

LOOKS: Final = ("light", "dark", "forced")
"""Themes, and colours that the system forces upon the page."""
