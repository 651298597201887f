"""The commands about tags. Each imports what it needs when it runs."""

from typing import Annotated

import typer

from node.cli.options import Json, told

_TagRef = Annotated[str, typer.Argument(metavar="REF", help="HOST:PORT/REPOSITORY:TAG.")]


def wait(
    ref: Annotated[
        str,
        typer.Argument(
            metavar="REF", help="HOST:PORT/REPOSITORY:TAG or @DIGEST; with --url, an event."
        ),
    ],
    regions: Annotated[
        str | None,
        typer.Option(metavar="NAME,NAME", help="Regions to wait for; every one without it."),
    ] = None,
    timeout: Annotated[float, typer.Option(metavar="SECONDS", min=0.0)] = 30.0,
    url: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="The node to ask about an event.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Wait until every live node of those regions durably has a push in its index."""
    from node.cli.images.wait import wait as until_there

    with told():
        typer.echo(until_there(ref, url, regions, timeout).shown(as_json))


def history(ref: _TagRef, as_json: Json = False) -> None:
    """Show every write of a tag, newest first."""
    from node.cli.images.tags import history as history_of

    with told():
        typer.echo(history_of(ref).shown(as_json))


def rollback(
    ref: _TagRef,
    event: Annotated[str, typer.Argument(help="An event of the history, or a digest.")],
    create: Annotated[
        bool, typer.Option("--create", help="Make the tag where there never was one.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Point a tag at what it was before."""
    from node.cli.images.tags import rollback as go_back

    with told():
        typer.echo(go_back(ref, event, create=create).shown(as_json))
