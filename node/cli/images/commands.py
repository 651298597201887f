"""The commands about repositories and tags. Each imports what it needs when it runs."""

from enum import StrEnum
from typing import Annotated

import typer

from node.cli.options import ContextName, DataDir, Json, Url, asks_node, told

_TagRef = Annotated[
    str,
    typer.Argument(
        metavar="REF",
        help="HOST:PORT/REPOSITORY:TAG; without HOST:PORT/ where --url, --data-dir or a context "
        "says whom to ask.",
    ),
]


_Containing = Annotated[
    str, typer.Option("--containing", metavar="TEXT", help="Only those whose names have it.")
]
_After = Annotated[
    str, typer.Option(metavar="PLACE", help="The next page: where the one before ended.")
]
_All = Annotated[bool, typer.Option("--all", help="All pages, and not the first 50 rows alone.")]


class _RepositorySort(StrEnum):
    NAME = "name"
    PUSHED = "pushed"
    SIZE = "size"
    TAGS = "tags"
    CONFLICTS = "conflicts"


class _TagSort(StrEnum):
    VERSION = "version"
    PUSHED = "pushed"
    SIZE = "size"
    NAME = "name"


class _TagFilter(StrEnum):
    ALL = "all"
    CONFLICT = "conflict"
    UNTAGGED = "untagged"


@asks_node
def repos(
    url: str,
    containing: _Containing = "",
    project: Annotated[str, typer.Option(metavar="NAME", help="Only those of a project.")] = "",
    conflict: Annotated[
        bool, typer.Option("--conflict", help="Only those with a tag whose pushes disagree.")
    ] = False,
    sort: Annotated[
        _RepositorySort, typer.Option(help="By name, or the largest first.")
    ] = _RepositorySort.NAME,
    after: _After = "",
    whole: _All = False,
    as_json: Json = False,
) -> None:
    """List the repositories that you may see, with what there is in each."""
    from node.cli.images.catalogue import Listed, repositories

    with told():
        asked = Listed(containing, str(sort), after, whole)
        typer.echo(repositories(url, asked, project, conflict=conflict).shown(as_json))


@asks_node
def tags(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of a repository.")],
    url: str,
    containing: _Containing = "",
    platform: Annotated[
        str, typer.Option(metavar="OS/ARCH", help="Only images for this platform.")
    ] = "",
    only: Annotated[
        _TagFilter, typer.Option(help="Tags whose pushes disagree; images without a tag.")
    ] = _TagFilter.ALL,
    sort: Annotated[
        _TagSort, typer.Option(help="The newest version first; or the largest, or by name.")
    ] = _TagSort.VERSION,
    after: _After = "",
    whole: _All = False,
    as_json: Json = False,
) -> None:
    """List the tags of a repository, with what each points to."""
    from node.cli.images.catalogue import Listed
    from node.cli.images.catalogue import tags as tags_of

    with told():
        asked = Listed(containing, str(sort), after, whole)
        typer.echo(tags_of(url, name, asked, platform, str(only)).shown(as_json))


@asks_node
def search(
    text: Annotated[
        list[str],
        typer.Argument(
            metavar="TEXT...",
            help="A name, NAME:TAG, a tag, a digest or its beginning, or a line such as docker "
            "pull HOST/NAME:TAG.",
        ),
    ],
    url: str,
    as_json: Json = False,
) -> None:
    """Find an image by what you have of it; * marks what is just that."""
    from node.cli.images.catalogue import search as look_for

    with told():
        typer.echo(look_for(url, " ".join(text)).shown(as_json))


def wait(
    ref: Annotated[
        str,
        typer.Argument(
            metavar="REF",
            help="HOST:PORT/REPOSITORY:TAG or @DIGEST. With --url or --data-dir also an event, or "
            "the same without HOST:PORT/.",
        ),
    ],
    regions: Annotated[
        str | None,
        typer.Option(metavar="NAME,NAME", help="Regions to wait for; every one without it."),
    ] = None,
    timeout: Annotated[float, typer.Option(metavar="SECONDS", min=0.0)] = 30.0,
    url: Url = None,
    data_dir: DataDir = None,
    context: ContextName = None,
    as_json: Json = False,
) -> None:
    """Wait until every live node of those regions durably has a push in its index."""
    from node.cli.images.wait import wait as until_there
    from node.cli.whereabouts import given_address

    with told():
        address = given_address(url, data_dir, context)
        typer.echo(until_there(ref, address, regions, timeout).shown(as_json))


def history(
    ref: _TagRef,
    url: Url = None,
    data_dir: DataDir = None,
    context: ContextName = None,
    as_json: Json = False,
) -> None:
    """Show every write of a tag, newest first."""
    from node.cli.images.tags import history as history_of
    from node.cli.whereabouts import given_address

    with told():
        address = given_address(url, data_dir, context)
        typer.echo(history_of(ref, address).shown(as_json))


def rollback(
    ref: _TagRef,
    event: Annotated[str, typer.Argument(help="An event of the history, or a digest.")],
    create: Annotated[
        bool, typer.Option("--create", help="Make the tag where there never was one.")
    ] = False,
    if_match: Annotated[
        str | None,
        typer.Option(
            metavar="EVENT,EVENT",
            help="Only if the tag has these heads: those that the history marks with * and +, or "
            "the newest entry of a tag that is deleted.",
        ),
    ] = None,
    url: Url = None,
    data_dir: DataDir = None,
    context: ContextName = None,
    as_json: Json = False,
) -> None:
    """Point a tag at what it was before."""
    from node.cli.images.tags import rollback as go_back
    from node.cli.whereabouts import given_address

    with told():
        address = given_address(url, data_dir, context)
        done = go_back(ref, event, address, create=create, if_match=if_match)
        typer.echo(done.shown(as_json))


def image(
    ref: Annotated[
        str,
        typer.Argument(
            metavar="REF",
            help="HOST:PORT/REPOSITORY:TAG or @DIGEST; without HOST:PORT/ where --url, --data-dir "
            "or a context says whom to ask.",
        ),
    ],
    platform: Annotated[
        str | None,
        typer.Option(metavar="OS/ARCH", help="Of several images, the one whose layers to show."),
    ] = None,
    url: Url = None,
    data_dir: DataDir = None,
    context: ContextName = None,
    as_json: Json = False,
) -> None:
    """Show what an image is made of, what is attached to it, and where it is."""
    from node.cli.images.image import image as look_at
    from node.cli.whereabouts import given_address

    with told():
        address = given_address(url, data_dir, context)
        typer.echo(look_at(ref, address, platform=platform).shown(as_json))


@asks_node
def activity(
    url: str,
    kind: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND",
            help="Only push, rollback, delete, remove, conflict or layout; may be given again.",
        ),
    ] = None,
    who: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only what this one asked for.")
    ] = None,
    repository: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only what happened in this one.")
    ] = None,
    most: Annotated[
        int, typer.Option("-n", metavar="COUNT", min=1, max=10_000, help="How many entries.")
    ] = 50,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV instead of a table.")] = False,
    as_json: Json = False,
) -> None:
    """Show what happened to images and to the layout, newest first."""
    from node.cli.images.activity import activity as what_happened

    if as_csv and as_json:
        raise typer.BadParameter("leave out --json, or --csv", param_hint="--csv")
    with told():
        found = what_happened(
            url, kinds=kind or (), who=who, repository=repository, most=most, as_csv=as_csv
        )
        typer.echo(found.shown(as_json))
