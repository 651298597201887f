"""The commands about tags. Each imports what it needs when it runs."""

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
