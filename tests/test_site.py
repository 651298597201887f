"""The pages of the documentation: links lead somewhere, nothing is an orphan, figures are ours."""

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
SITE = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]

FENCED = re.compile(r"^( *)```.*?^\1```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(\s*([^)\s]+)\s*\)")


@cache
def prose(page: Path) -> str:
    """The text without what is in blocks, and in the code of a line."""
    return re.sub(r"`[^`\n]+`", "", FENCED.sub("", page.read_text()))


@cache
def links(page: Path) -> list[tuple[str, str]]:
    """Where the page leads inside the repository: path and heading, either of them empty."""
    inside = [target for target in LINK.findall(prose(page)) if "://" not in target]
    return [(path, heading) for path, _, heading in (each.partition("#") for each in inside)]


@cache
def anchors(page: Path) -> set[str]:
    """What its headings are called in a link, on the site as on a forge."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", text.lower())) for text in headings}


def listed(entry: object) -> Iterator[str]:
    """The pages of a part of the navigation."""
    match entry:
        case str():
            yield entry
        case dict():
            for below in entry.values():
                yield from listed(below)
        case list():
            for below in entry:
                yield from listed(below)


NAVIGATION = list(listed(SITE["nav"]))


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=str)
def test_links_lead_somewhere(page: Path) -> None:
    for path, heading in links(page):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{path} is not there"
        if heading:
            assert heading in anchors(target), f"{path} has no heading #{heading}"


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_a_page_of_the_site_leads_to_pages_of_the_site(page: Path) -> None:
    """Broken: it is a link in the repository, and a missing page where the site is served."""
    for path, _ in links(page):
        if path:
            target = (page.parent / path).resolve()
            # What is no page is copied as it is.
            on_it = target in PAGES if target.suffix == ".md" else target.is_relative_to(DOCS)
            assert on_it, f"{path} is not on the site"


def test_the_navigation_has_pages_once() -> None:
    assert sorted({*NAVIGATION}) == sorted(NAVIGATION)
    assert [name for name in NAVIGATION if not (DOCS / name).is_file()] == []


def test_no_page_is_an_orphan() -> None:
    """Broken: a page is written, and nobody who is not told of it finds it."""
    found = {DOCS / name for name in NAVIGATION}
    new = found
    while new:
        led = {(page.parent / path).resolve() for page in new for path, _ in links(page) if path}
        new = {path for path in led - found if path.suffix == ".md"}
        found = found | new
    assert [str(page.relative_to(DOCS)) for page in PAGES if page not in found] == []


def test_the_decisions_are_listed_by_their_titles() -> None:
    index = (DOCS / "decisions" / "README.md").read_text()
    for page in sorted((DOCS / "decisions").glob("0*.md")):
        number, _, title = page.read_text().splitlines()[0].removeprefix("# ").partition(". ")
        assert f"| {number} | [{title}]({page.name}) |" in index


def test_no_page_fetches_fonts_or_scripts_of_ours_from_elsewhere() -> None:
    """Broken: who reads the documentation is told to somebody else."""
    assert SITE["theme"]["font"] is False
    assert [each for each in SITE.get("extra_javascript", []) if "//" in each] == []
    assert [each for each in SITE.get("extra_css", []) if "//" in each] == []


FIGURES = (ROOT / "bench" / "RESULTS.md").read_text()


def measured(question: str) -> set[str]:
    """All figures of a row of the bench."""
    [row] = [line for line in FIGURES.splitlines() if line.startswith(f"| {question} |")]
    return {cell.strip(" *").partition("**")[0] for cell in row.split("|")[3:]}


COMPARED = {
    "manifests by tag, asked for again and again, requests/s": "manifest GET by tag",
    "each of 10,000 callers in turn, requests/s": "manifest GET by tag, 10,000 callers",
    "never the same, requests/s": "manifest GET by tag, never the same",
    "blobs of 64 KiB, requests/s": "blob GET 64 KiB, 16 connections",
    "blobs of 1 MiB, requests/s": "blob GET 1 MiB, 16 connections",
    "blobs of 256 MiB, MB/s": "blob GET 256 MiB, 4 connections",
    "an image of 100 MB pushed, MB/s": "crane push, image of 100 MB",
    "an image of 100 MB pulled, MB/s": "crane pull, image of 100 MB",
}
SIZED = {
    "manifests by tag, asked for again and again": "manifest GET by tag",
    "the same, each from another of 10,000 callers": "manifest GET by tag, 10,000 callers",
    "manifests that nobody asked for before": "manifest GET by tag, never the same",
    "blobs of 64 KiB": "blob GET 64 KiB, 16 connections",
    "a blob of 256 MiB, four at once": "blob GET 256 MiB, 4 connections",
    "pushes of blobs of 4 KiB, four at once": "blob push 4 KiB, 4 clients",
    "a blob of 64 MiB pushed": "blob push 64 MiB, 1 client",
}


@pytest.mark.parametrize(("page", "rows"), [("comparison.md", COMPARED), ("sizing.md", SIZED)])
def test_figures_are_those_of_the_bench(page: str, rows: dict[str, str]) -> None:
    """Broken: `make bench` was run again, and a page tells what was before."""
    text = (DOCS / page).read_text()
    for told, question in rows.items():
        [row] = re.findall(rf"^\| {re.escape(told)} \|(.+)\|$", text, re.MULTILINE)
        figures = {cell.strip().partition(" ")[0] for cell in row.split("|")}
        assert figures <= measured(question), f"{told}: {figures - measured(question)}"
