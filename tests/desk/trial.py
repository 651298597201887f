"""
The first day with Atoll, once by pages alone and once by commands alone, each step timed:
`python -m tests.desk.trial --report docs/first-day.md --pictures docs/pictures`.

Pushing, pulling and starting a node are typed in both: a browser does none of that. Pages are
clicked in Chromium as they are shown, by the words on buttons and links.
"""

import argparse
import asyncio
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.desk.chromium import Chromium, Tab
from tests.e2e.daemons import Dockerd
from tests.e2e.operator import PATIENCE_S, atoll
from tests.e2e.processes import clean_environment, is_ready
from tests.e2e.registry_client import Image, make_image, registry_clients
from tests.e2e.up_cluster import Node, UpCluster
from tests.sim.report import replace_section

REPOSITORY: Final = "team-a/alpine"
TAG: Final = "3"
NAME: Final = f"{REPOSITORY}:{TAG}"
_TRIES: Final = 200
_CHECK_S: Final = 0.1

_ALL_HERE: Final = "complete"
"""What the page says of a region that has all of an image."""


class Step(NamedTuple):
    """Something that was to be done, and was."""

    title: str
    done: str
    """How, in a line."""

    seconds: float


class Scene:
    """A new cluster, a docker of its own, and what happens to them while somebody looks."""

    def __init__(
        self, directory: Path, cluster: UpCluster, docker: Dockerd, ready_s: float
    ) -> None:
        self.cluster = cluster
        self.docker = docker
        self.ready_s = ready_s
        self._directory = directory
        self._chance = random.Random(5)
        self._started: list[subprocess.Popen[bytes]] = []

    @property
    def nodes(self) -> dict[str, Node]:
        """By their regions."""
        return {node.region: node for node in self.cluster.nodes}

    def make_base(self) -> None:
        """An image named alpine, as a new user has one."""
        context = self._directory / "alpine"
        context.mkdir()
        (context / "file").write_text("alpine\n")
        (context / "Dockerfile").write_text("FROM scratch\nCOPY file /file\n")
        self.docker.run("build", "--tag", "alpine", context)

    def docker_does(self, command: str) -> None:
        """Type a `docker` command."""
        program, *words = command.split()
        assert program == "docker", command
        if words[0] == "pull":
            self.docker.forget_images()  # As on a machine that has nothing of it.
        self.docker.run(*words)

    async def push_at_once(self) -> None:
        """Two people push the same tag in two regions, until neither had heard of the other."""
        hosts = [self.nodes[region].http for region in ("eu", "us")]
        async with registry_clients(hosts) as clients:
            for _ in range(_TRIES):
                images = [make_image(self._chance, [100]) for _ in clients]
                pushes = zip(clients, images, strict=True)
                await asyncio.gather(*(each.push(REPOSITORY, TAG, image) for each, image in pushes))
                if conflicts(hosts[0]):
                    return
        raise AssertionError("the pushes never met")

    async def push_another(self) -> tuple[str, str]:
        """Somebody pushes what is wrong; returns the digests before and after it."""
        async with registry_clients([self.nodes["us"].http]) as [client]:
            images: list[Image] = []
            for _ in range(2):
                images.append(make_image(self._chance, [100]))
                await client.push(REPOSITORY, TAG, images[-1])
        return images[0].digest, images[1].digest

    def lose(self, region: str) -> list[str]:
        """A node dies, and its disk with it; returns the command that starts one like it."""
        node = self.nodes[region]
        command = Path(f"/proc/{node.pid}/cmdline").read_bytes().rstrip(b"\0").decode().split("\0")
        os.kill(node.pid, signal.SIGKILL)
        shutil.rmtree(node.data_dir)
        # That is for who watches over it, which is over.
        command.remove("--stop-with-stdin")
        return command

    def start(self, command: list[str]) -> None:
        """Start a node by that command, with whatever disk is there."""
        with (self._directory / "started.log").open("ab") as log:
            self._started.append(
                subprocess.Popen(command, stdout=log, stderr=log, env=self._environment())
            )

    def _environment(self) -> dict[str, str]:
        return {**clean_environment(), "ATOLL_AUTH": "open"}

    def stop(self) -> None:
        for process in self._started:
            process.terminate()
            process.wait(60)


@contextmanager
def scene(directory: Path) -> Iterator[Scene]:
    """What `make run` starts, in *directory*."""
    with ExitStack() as stack:
        short = stack.enter_context(tempfile.TemporaryDirectory(prefix="atoll-", dir="/tmp"))
        docker = stack.enter_context(Dockerd(directory=Path(short)))
        begun = time.monotonic()
        cluster = stack.enter_context(UpCluster(data_dir=directory / "data"))
        found = Scene(directory, cluster, docker, time.monotonic() - begun)
        stack.callback(found.stop)
        found.make_base()
        yield found


def conflicts(url: str) -> int:
    """How many tags were pushed twice at the same time, and are not settled."""
    return int(json.loads(atoll("status", "--json", url=url).output)["conflicts"])


class Way(ABC):
    """How somebody does all of it."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.eu, self.us, self.ap = (scene.nodes[region] for region in ("eu", "us", "ap"))

    @abstractmethod
    async def push(self) -> str:
        """Push the first image; returns how, in a line, as all of these."""

    @abstractmethod
    async def bring(self) -> str:
        """Find the region that lacks it, and bring it there."""

    @abstractmethod
    async def settle(self) -> str:
        """Find the conflict, and settle it."""

    @abstractmethod
    async def go_back(self, wanted: str) -> str:
        """Have the tag be *wanted* again, a digest."""

    @abstractmethod
    async def replace(self, command: list[str]) -> str:
        """Find out that a node of us is dead, and have one with a new disk in its place."""

    async def day(self) -> list[Step]:
        """All of it. What happens to the cluster meanwhile is not counted."""
        scene = self.scene
        steps = [Step("Start three regions", "`make run`, once it is installed", scene.ready_s)]

        async def step(title: str, act: Callable[[], Any]) -> None:
            begun = time.monotonic()
            done = await act()
            steps.append(Step(title, done, time.monotonic() - begun))

        await step("Push an image", self.push)
        await step("Bring it to the region that lacks it", self.bring)
        await scene.push_at_once()
        await step("Settle a conflict of two pushes", self.settle)
        assert conflicts(self.eu.http) == 0
        right, wrong = await scene.push_another()
        assert await served(self.ap) == wrong
        await step("Roll back a wrong push", lambda: self.go_back(right))
        assert await served(self.ap) == right
        command = scene.lose("us")
        await step("Replace a node that is dead, and its disk", lambda: self.replace(command))
        assert await served(self.us) == right
        return steps


async def served(node: Node) -> str:
    """What a node serves under the tag, once its region has heard of what was done elsewhere."""
    waited = atoll("wait", f"{node.http}/{NAME}", "--regions", "eu,us,ap", url=node.http)
    assert waited.status == 0, waited
    async with registry_clients([node.http]) as [client]:
        return (await client.pull(REPOSITORY, TAG)).digest


async def until(look: Callable[[], bool], what: str) -> None:
    """Look again and again until it is so."""
    begun = time.monotonic()
    while not look():
        assert time.monotonic() < begun + PATIENCE_S, what
        await asyncio.sleep(_CHECK_S)


class ByCommand(Way):
    """Nothing but what is typed."""

    async def push(self) -> str:
        image = f"{self.eu.http}/{NAME}"
        self.scene.docker_does(f"docker tag alpine {image}")
        self.scene.docker_does(f"docker push {image}")
        assert REPOSITORY in self._say("repos")
        return "`docker push`; `atoll repos` shows it"

    async def bring(self) -> str:
        lacking = next(r for r, state in self._where(self.eu).items() if state != "here")
        node = self.scene.nodes[lacking]
        self.scene.docker_does(f"docker pull {node.http}/{NAME}")
        await until(lambda: self._where(node)[lacking] == "here", "a pull brings it")
        return "`atoll image` says where it is; `docker pull` there brings it"

    def _where(self, node: Node) -> dict[str, str]:
        shown = json.loads(atoll("image", NAME, "--json", url=node.http).output)
        return {each["region"]: each["state"] for each in shown["replication"]["regions"]}

    async def settle(self) -> str:
        await until(lambda: "conflict" in self._say("doctor", statuses=(0, 1)), "it is not told")
        heads = json.loads(self._say("history", NAME, "--json"))["heads"]
        assert len(heads) == 2
        self._say("rollback", NAME, heads[0]["event"])
        return "`atoll doctor` names it; `atoll rollback` keeps one of the two"

    async def go_back(self, wanted: str) -> str:
        history = json.loads(self._say("history", NAME, "--json"))["history"]
        [event] = [each["event"] for each in history if each["digest"] == wanted][:1]
        self._say("rollback", NAME, event)
        return "`atoll history`, `atoll rollback`"

    async def replace(self, command: list[str]) -> str:
        name = self.us.id
        await until(
            lambda: f"{name} is dead" in self._say("doctor", statuses=(0, 1)), f"{name} is not dead"
        )
        self.scene.start(command)
        await until(lambda: is_ready(self.us.http), f"{name} is not ready")
        await until(
            lambda: "all is well" in self._say("status", statuses=(0, 1)), "all is not well"
        )
        return (
            "`atoll doctor` names it; start it with an empty disk: it is taken in; `atoll status`"
        )

    def _say(self, *words: str, statuses: tuple[int, ...] = (0,)) -> str:
        done = atoll(*words, url=self.eu.http)
        assert done.status in statuses, done
        return done.output


class ByPage(Way):
    """A browser, and `docker`."""

    def __init__(self, scene: Scene, tab: Tab, pictures: Path | None = None) -> None:
        """*pictures*: where to put some of what is seen."""
        super().__init__(scene)
        self._tab = tab
        self._pictures = pictures

    async def push(self) -> str:
        await self._open("/ui/")
        commands = await self._tab.run(
            "[...document.querySelectorAll('#first code')].map((e) => e.textContent)"
        )
        assert commands, "the first page says how to begin"
        for command in commands:
            self.scene.docker_does(command)
        # The page that is open finds it.
        await self._until("#recent", REPOSITORY)
        await self._picture("overview")
        return "the first page has the commands, and shows the image when it is there"

    async def bring(self) -> str:
        await self._follow(NAME)
        regions = await self._where()
        lacking = next(region for region, state in regions.items() if state != _ALL_HERE)
        node = self.scene.nodes[lacking]
        await self._open(f"/ui/i/{NAME}", node)
        command = await self._tab.run("document.querySelector('#pull code').textContent")
        assert node.http in command
        self.scene.docker_does(command)
        begun = time.monotonic()
        while (await self._where())[lacking] != _ALL_HERE:
            assert time.monotonic() < begun + PATIENCE_S, await self._text("#where")
            await self._open(f"/ui/i/{NAME}", node)
        return "the tag's page says where it is, and at that region by which command it comes"

    async def _where(self) -> dict[str, str]:
        rows = await self._tab.run(
            "[...document.querySelectorAll('#where tbody tr')].map((row) =>"
            " [...row.children].slice(0, 2).map((e) => e.innerText.trim()))"
        )
        return dict(rows)

    async def settle(self) -> str:
        await self._open("/ui/")
        await self._until("#attention", "conflict", again="/ui/")
        await self._picture("attention", theme="dark")
        await self._open("/ui/repos?conflict=true")
        await self._follow(REPOSITORY)
        await self._follow(TAG)
        await self._picture("conflict")
        await self._press("Keep the one from")
        assert not await self._tab.run("document.querySelector('#conflict') !== null")
        return "the first page names it; the tag's page has both, and a button for each"

    async def go_back(self, wanted: str) -> str:
        await self._open(f"/ui/i/{NAME}")
        place = json.dumps(wanted.removeprefix("sha256:")[:8])
        await self._tab.run(
            "[...document.querySelectorAll('#history tbody tr')].find((row) =>"
            f" row.textContent.includes({place}) && row.querySelector('summary'))"
            ".querySelector('summary').click()"
        )
        await self._press("Roll back", within="#history details[open]")
        assert "is rolled back" in await self._text("main")
        await self._open(f"/ui/i/{NAME}")
        await self._picture("tag", width=360)
        return "the tag's page has the history, and a button in each line"

    async def replace(self, command: list[str]) -> str:
        name = self.us.id
        await self._open("/ui/")
        await self._until("#attention", f"{name} is dead", again="/ui/")
        await self._open("/ui/cluster")
        await self._picture("cluster")
        self.scene.start(command)
        await self._until("main", "3 of 3 nodes serve", again="/ui/cluster")
        await self._until("main", "Everything works", again="/ui/")
        return "the first page names it; it is started with an empty disk; the cluster's page"

    async def _picture(self, name: str, *, width: int = 1280, theme: str = "light") -> None:
        if self._pictures is not None:
            await self._tab.look(width=width, theme=theme)
            await self._tab.picture(self._pictures / f"{name}.webp")
            await self._tab.look()

    async def _open(self, path: str, node: Node | None = None) -> None:
        await self._tab.open(f"http://{(node or self.eu).http}{path}")

    async def _text(self, selector: str) -> str:
        found = await self._tab.run(
            f"(document.querySelector({json.dumps(selector)}) || {{}}).innerText || ''"
        )
        return str(found).replace("\N{NO-BREAK SPACE}", " ")

    async def _until(self, selector: str, text: str, *, again: str = "") -> None:
        """Wait until a part says *text*; by itself, or by opening the page *again*."""
        begun = time.monotonic()
        while text not in await self._text(selector):
            assert time.monotonic() < begun + PATIENCE_S, (text, await self._text("main"))
            await asyncio.sleep(_CHECK_S)
            if again:
                await self._open(again)

    async def _follow(self, text: str) -> None:
        """Click the first link that is or ends with *text*."""
        found = (
            "[...document.querySelectorAll('main a')].find((e) =>"
            f" e.innerText.trim().endsWith({json.dumps(text)}))"
        )
        assert await self._tab.run(f"{found} !== undefined"), (text, await self._text("main"))
        async with self._tab.loading():
            await self._tab.run(f"{found}.click()")

    async def _press(self, text: str, *, within: str = "main") -> None:
        """Press the first button that begins with *text*."""
        async with self._tab.loading():
            await self._tab.run(
                f"[...document.querySelectorAll({json.dumps(within + ' button')})].find((e) =>"
                f" e.innerText.trim().startsWith({json.dumps(text)})).click()"
            )


async def by_page(directory: Path, pictures: Path | None = None) -> list[Step]:
    """A day with a browser; some of what is seen goes to *pictures*."""
    with scene(directory) as found:
        async with Chromium() as browser, browser.tab() as tab:
            await tab.look()
            return await ByPage(found, tab, pictures).day()


async def by_command(directory: Path) -> list[Step]:
    """A day with a terminal."""
    with scene(directory) as found:
        return await ByCommand(found).day()


def report(pages: list[Step], commands: list[Step]) -> list[str]:
    """Both, as a table."""
    lines = ["| step | by page | | by command | |", "|---|---|---|---|---|"]
    for page, command in zip(pages, commands, strict=True):
        seconds = f"{page.seconds:.1f} s | {command.done} | {command.seconds:.1f} s"
        lines.append(f"| {page.title} | {page.done} | {seconds} |")
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.desk.trial")
    parser.add_argument("--report", type=Path, help="put the table into this Markdown file")
    parser.add_argument("--pictures", type=Path, help="put pictures of pages into this directory")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="first-day-") as name:
        (Path(name) / "p").mkdir()
        (Path(name) / "c").mkdir()
        pages = asyncio.run(by_page(Path(name) / "p", args.pictures))
        commands = asyncio.run(by_command(Path(name) / "c"))
    lines = report(pages, commands)
    print(*lines, sep="\n")
    if args.report is not None:
        replace_section(args.report, "A recorded day", lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
