"""
Chromium without a screen, by its own protocol (CDP): as much of it as the tests of pages need.

One process for all tests, a context of its own for each of them: no cookie is left to the next.
"""

import asyncio
import base64
import itertools
import json
import shutil
import tempfile
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import aiohttp

PROGRAM: Final = "chromium"

_STARTS_S: Final = 300.0
_ANSWERS_S: Final = 300.0
_LOADS_S: Final = 300.0

_FLAGS: Final = (
    "--headless=new",
    "--no-sandbox",  # of a container, where tests run as root
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)


def is_installed() -> bool:
    """Whether there is one."""
    return shutil.which(PROGRAM) is not None


class CdpError(Exception):
    """The browser refused a command."""


class Chromium:
    """The process, and the connection to it. Entered on the loop that uses it."""

    def __init__(self) -> None:
        # Its other processes may end a little later, and write until then.
        self._directory = tempfile.TemporaryDirectory(
            prefix="atoll-chromium-", dir="/tmp", ignore_cleanup_errors=True
        )
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._tabs: dict[str, Tab] = {}

    async def __aenter__(self) -> Self:
        where = Path(self._directory.name)
        self._process: Process = await asyncio.create_subprocess_exec(
            PROGRAM, *_FLAGS, f"--user-data-dir={where}", "about:blank",
            stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL,
        )  # fmt: skip
        told = where / "DevToolsActivePort"
        async with asyncio.timeout(_STARTS_S):
            while not (told.exists() and "\n" in told.read_text()):
                assert self._process.returncode is None, "chromium ended at its start"
                await asyncio.sleep(0.1)
        port, path = told.read_text().split("\n")[:2]
        self._http = aiohttp.ClientSession()
        self._socket = await self._http.ws_connect(
            f"ws://127.0.0.1:{port}{path}", max_msg_size=0, heartbeat=None
        )
        self._reader = asyncio.create_task(self._read(), name="reads what chromium says")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._reader.cancel()
        await self._socket.close()
        await self._http.close()
        if self._process.returncode is None:
            self._process.terminate()
            try:
                async with asyncio.timeout(10):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        self._directory.cleanup()

    async def ask(self, method: str, session: str = "", **given: Any) -> dict[str, Any]:
        """The answer to a command."""
        number = next(self._numbers)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        message: dict[str, Any] = {"id": number, "method": method, "params": given}
        if session:
            message["sessionId"] = session
        await self._socket.send_str(json.dumps(message))
        try:
            async with asyncio.timeout(_ANSWERS_S):
                return await answer
        finally:
            del self._waiting[number]

    async def _read(self) -> None:
        async for message in self._socket:
            told = json.loads(message.data)
            if "id" in told:
                waiting = self._waiting.get(told["id"])
                if waiting is None or waiting.done():
                    continue
                if "error" in told:
                    waiting.set_exception(CdpError(told["error"]["message"]))
                else:
                    waiting.set_result(told["result"])
            elif told.get("sessionId") in self._tabs:
                self._tabs[told["sessionId"]].heard(told["method"], told["params"])

    @asynccontextmanager
    async def tab(self) -> AsyncIterator["Tab"]:
        """A tab with nothing in its cookie jar."""
        context = (await self.ask("Target.createBrowserContext"))["browserContextId"]
        made = await self.ask("Target.createTarget", url="about:blank", browserContextId=context)
        attached = await self.ask("Target.attachToTarget", targetId=made["targetId"], flatten=True)
        session = attached["sessionId"]
        found = self._tabs[session] = Tab(self, session)
        try:
            for domain in ("Page", "Runtime", "Log", "Network", "Accessibility"):
                await found.ask(f"{domain}.enable")
            yield found
        finally:
            del self._tabs[session]
            await self.ask("Target.disposeBrowserContext", browserContextId=context)


class Tab:
    """A page that is open."""

    def __init__(self, browser: Chromium, session: str) -> None:
        self._browser = browser
        self._session = session
        self._loaded = asyncio.Event()
        self.said: list[str] = []
        """All that came to the console, errors of the network and of the policy among it."""
        self.asked: list[str] = []
        """Addresses that were fetched."""

    def heard(self, event: str, told: dict[str, Any]) -> None:
        """Take a message of the browser."""
        match event:
            case "Page.loadEventFired":
                self._loaded.set()
            case "Runtime.consoleAPICalled":
                self.said.append(" ".join(str(each.get("value")) for each in told["args"]))
            case "Runtime.exceptionThrown":
                self.said.append(str(told["exceptionDetails"]))
            case "Log.entryAdded":
                self.said.append(f"{told['entry']['text']} {told['entry'].get('url', '')}")
            case "Network.requestWillBeSent":
                self.asked.append(told["request"]["url"])
            case _:
                pass

    async def ask(self, method: str, **given: Any) -> dict[str, Any]:
        return await self._browser.ask(method, self._session, **given)

    async def look(
        self, *, width: int = 1280, theme: str = "light", forced: bool = False, script: bool = True
    ) -> None:
        """How wide the window is, and what the person wants to see."""
        await self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=900, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip
        wanted = [
            {"name": "prefers-color-scheme", "value": theme},
            {"name": "forced-colors", "value": "active" if forced else "none"},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        await self.ask("Emulation.setEmulatedMedia", features=wanted)
        await self.ask("Emulation.setScriptExecutionDisabled", value=not script)

    async def open(self, url: str) -> None:
        """Go there, and wait until it is loaded."""
        async with self.loading():
            await self.ask("Page.navigate", url=url)

    @asynccontextmanager
    async def loading(self) -> AsyncIterator[None]:
        """Wait for the page that what is done meanwhile leads to."""
        self._loaded.clear()
        yield
        async with asyncio.timeout(_LOADS_S):
            await self._loaded.wait()

    async def run(self, script: str) -> Any:
        """
        The value of *script*, which may be a promise; in a world of its own, where the policy of
        the page says nothing, and nothing of the page can be in the way.
        """
        tree = await self.ask("Page.getFrameTree")
        world = await self.ask(
            "Page.createIsolatedWorld", frameId=tree["frameTree"]["frame"]["id"], worldName="tests"
        )
        return await self._evaluate(script, contextId=world["executionContextId"])

    async def run_in_page(self, script: str) -> Any:
        """The same where the page's own script runs, and the policy holds for what it does."""
        return await self._evaluate(script)

    async def _evaluate(self, script: str, **where: Any) -> Any:
        found = await self.ask(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, **where
        )
        if "exceptionDetails" in found:
            raise CdpError(str(found["exceptionDetails"]))
        return found["result"].get("value")

    async def press(self, key: str, *, shift: bool = False) -> None:
        """Press a key: `Tab`, `Enter`, `Escape`, ` `, or a character."""
        names = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32}
        text = {"Enter": "\r", "Tab": "", "Escape": ""}.get(key, key)
        common: dict[str, Any] = {"key": key, "modifiers": 8 if shift else 0}
        common |= {"windowsVirtualKeyCode": names.get(key, ord(key[0].upper()))}
        if len(key) > 1:
            common["code"] = key
        begin = {"type": "keyDown", "text": text} if text else {"type": "rawKeyDown"}
        await self.ask("Input.dispatchKeyEvent", **begin, **common)
        await self.ask("Input.dispatchKeyEvent", type="keyUp", **common)

    async def type(self, text: str) -> None:
        """Type *text* where the focus is."""
        await self.ask("Input.insertText", text=text)

    async def focus(self) -> str:
        """What has the focus, in words: its role and its name, as who hears the page has them."""
        return str(
            await self.run(
                "(() => { const e = document.activeElement; if (!e || e === document.body) return"
                " ''; const label = e.getAttribute('aria-label') || (e.labels && e.labels[0] &&"
                " e.labels[0].textContent) || e.textContent; return e.localName + ' ' +"
                " label.trim().replace(/\\s+/g, ' ').slice(0, 80); })()"
            )
        )

    async def picture(self, path: Path, *, whole: bool = True) -> None:
        """Write what is seen, as the suffix of *path* says: `.png` or `.webp`."""
        told = await self.ask(
            "Page.captureScreenshot",
            format=path.suffix.removeprefix("."),
            captureBeyondViewport=whole,
        )
        path.write_bytes(base64.b64decode(told["data"]))
