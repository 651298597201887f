"""A browser, as far as pages need one: cookies, fields that it sends by itself, forms."""

import re
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from typing import Final
from urllib.parse import urlencode

from node.http.session_cookie import PLAIN, SECURE
from tests.api.conftest import Answer, Registry
from tests.api.scene import PASSWORD

ACCEPT: Final = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

BEHIND_TLS: Final = {
    "Host": "registry.example",
    "X-Forwarded-For": "203.0.113.9",
    "X-Forwarded-Proto": "https",
}
"""What a proxy that ends TLS adds."""


class Browser:
    """Of one person, at one registry; it may go on at another one."""

    def __init__(self, registry: Registry, *, tls: bool = False) -> None:
        """With *tls* there is a proxy that ends it in between."""
        self.registry = registry
        self.cookies: dict[str, str] = {}
        self.fields = dict(BEHIND_TLS) if tls else {}

    @property
    def session(self) -> str:
        """What the cookie of the session has; empty: there is none."""
        return self.cookies.get(SECURE) or self.cookies.get(PLAIN) or ""

    async def get(self, path: str, **fields: str) -> Answer:
        return await self._send("GET", path, b"", {"Sec-Fetch-Site": "none", **fields})

    async def post(self, path: str, form: dict[str, str], **fields: str) -> Answer:
        """Send a form of a page of the registry; a field of None is left out."""
        sent = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Sec-Fetch-Site": "same-origin",
            "Origin": "null",  # as `Referrer-Policy: no-referrer` makes it
            **fields,
        }
        return await self._send("POST", path, urlencode(form).encode(), sent)

    async def log_in(
        self, name: str, password: str = PASSWORD, onward: str = "/ui/", **fields: str
    ) -> Answer:
        form = {"name": name, "password": password, "next": onward}
        return await self.post("/ui/login", form, **fields)

    async def proof(self, path: str = "/ui/") -> str:
        """That of the forms of a page."""
        found = re.search(rb'name="proof" value="([0-9a-f]+)"', (await self.get(path)).body)
        assert found is not None, "the page has no form"
        return found[1].decode()

    async def _send(self, method: str, path: str, body: bytes, fields: dict[str, str]) -> Answer:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        sent = {"Accept": ACCEPT, **self.fields, **fields}
        if cookie:
            sent["Cookie"] = cookie
        answer = await self.registry.call(
            method, path, headers={k: v for k, v in sent.items() if v}, data=body or None
        )
        for field in answer.headers.getall("Set-Cookie", ()):
            for name, morsel in SimpleCookie(field).items():
                if morsel["max-age"] == "0":
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value
        return answer


_TAGS: Final = (
    "a b bdi body button caption circle code dd details div dl dt footer form g h1 h2 h3 head "
    "header html input kbd label li link main meta nav ol option p path progress rect script "
    "section select small span summary svg table tbody td text th thead time title tr ul"
)


class Harmless(HTMLParser):
    """Looks for what no page may have: markup of strangers, scripts, styles and handlers in it."""

    TAGS: Final = frozenset(_TAGS.split())
    VOID: Final = frozenset({"input", "link", "meta"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.problems: list[str] = []
        self.open: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag not in self.TAGS:
            self.problems.append(f"<{tag}>")
        if tag == "script" and not (given.get("src") or "").startswith("/ui/static/"):
            self.problems.append("a script in the page")
        if len(given) != len(attrs):
            self.problems.append(f"an attribute twice in {self.get_starttag_text()}")
        for name, value in attrs:
            if name == "style" or name.startswith("on") or not re.fullmatch(r"[a-zA-Z-]+", name):
                self.problems.append(f"{name}={value!r}")
            if name in ("href", "src", "action", "formaction", "xlink:href"):
                self._link(tag, value or "", given)
            if name == "id":
                self.ids.append(value or "")
        if tag not in self.VOID:
            self.open.append(tag)

    def _link(self, tag: str, value: str, given: dict[str, str | None]) -> None:
        if value.startswith(("/ui", "#", "?")) and not value.startswith("//"):
            return
        rel = (given.get("rel") or "").split()
        if tag == "a" and value.startswith("https://") and {"noopener", "noreferrer"} <= {*rel}:
            return
        self.problems.append(f"a link to {value!r}")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"</{tag}> that closes nothing")

    def handle_comment(self, data: str) -> None:
        self.problems.append(f"<!--{data}-->")


def check_harmless(page: bytes | str) -> None:
    """Fail where *page* has what none may have, or is not well-formed."""
    looked = Harmless()
    looked.feed(page if isinstance(page, str) else page.decode())
    looked.close()
    assert not looked.problems, looked.problems
    assert not looked.open, f"not closed: {looked.open}"
    assert len(looked.ids) == len(set(looked.ids)), f"an id twice: {sorted(looked.ids)}"
