"""What stands around each page: who looks, at which node, and since when."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from node.http.endpoint import Principal
from node.identity.sessions import RECENT_S
from node.ui.context import UiContext
from node.ui.tabs import SEARCH, Tab, tabs_for

THEME_COOKIE: Final = "atoll-theme"
"""Set by the page's script, and no secret: which of the themes a browser wants."""

SLASH_COOKIE: Final = "atoll-slash"
"""Set likewise: whether the key `/` goes to the search field. A key alone can be switched off, as
who dictates presses keys without wanting to (WCAG 2.1.4)."""

THEMES: Final = ("auto", "light", "dark")


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One page's surroundings."""

    node: str
    region: str
    cluster: str
    version: str
    name: str
    """The log-in name; empty: nobody has logged in."""

    offers_login: bool
    is_recent: bool
    """Whether somebody has given their password a moment ago: dangerous acts are offered."""

    form_token: str
    """For `proof` of each form."""

    theme: str
    slash: bool
    """Whether the key `/` goes to the search field in this browser."""

    tabs: Sequence[Tab]
    tab: str
    """The address of the tab that the page belongs to."""

    search: str
    refresh_s: int
    """Every how many seconds the parts that change are fetched again; 0: never."""

    now: float
    """When the page is made, in seconds since 1970."""

    began: float = field(default_factory=time.perf_counter)

    def made_ms(self) -> int:
        """How long it has taken so far, in milliseconds."""
        return max(1, round((time.perf_counter() - self.began) * 1000))


def frame_of(
    context: UiContext,
    http: web.BaseRequest,
    principal: Principal | None,
    *,
    tab: str = "",
    refresh_s: int = 0,
) -> Frame:
    """The surroundings of a page for *principal*; None: it is not known who asks."""
    session = None if principal is None else principal.session
    now = context.now()
    theme = http.cookies.get(THEME_COOKIE, "")
    knows = principal is not None
    return Frame(
        node=context.node,
        region=context.region,
        cluster=context.cluster,
        version=context.version,
        name="" if session is None else session.account.name,
        offers_login=knows and session is None and not context.is_open,
        is_recent=context.is_open or (session is not None and now < session.began + RECENT_S),
        form_token="" if session is None else session.form_token,
        theme=theme if theme in THEMES else THEMES[0],
        slash=http.cookies.get(SLASH_COOKIE) != "off",
        tabs=() if principal is None else tabs_for(principal.rights),
        tab=tab,
        search=SEARCH if knows and (session is not None or context.is_open) else "",
        refresh_s=refresh_s,
        now=now,
    )
