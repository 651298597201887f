"""
The commands of who runs a cluster: how it is, who is a member, and the layout. Each imports what it
needs when it runs.
"""

import sys
from functools import partial
from typing import Annotated, Final

import typer

from node.cli.options import Json, asking, asks_node, command_group, tell, told

_Node = Annotated[str, typer.Argument(help="Name of a node.")]
_Patience = Annotated[
    float,
    typer.Option(
        metavar="SECONDS",
        min=0.0,
        help="Give up once no blob more has got its copies for so long; then all is as it was.",
    ),
]
_Given = Annotated[
    list[str] | None,
    typer.Option("--yes-i-lose", metavar="NODE", help="What a person would be asked to type."),
]
_Lost = Annotated[
    bool, typer.Option("--lost", help="It is gone for good, with whatever nobody else has.")
]

_PATIENCE_S: Final = 120.0

_CLEAR: Final = "\x1b[H\x1b[2J"


@partial(asks_node, unknown=2)
def status(
    url: str,
    watch: Annotated[
        bool, typer.Option("--watch", help="Look every 2 s, until interrupted.")
    ] = False,
    as_json: Json = False,
) -> None:
    """
    Show how the cluster is. Exit status: 0 all is well, 1 a person should look at something (the
    lines with !), 2 it cannot be told.
    """
    from node.cli.cluster.status import look
    from node.cli.cluster.status import watch as look_on

    if watch:
        health = look_on(url, lambda seen: _redraw(seen.shown(as_json), as_json=as_json))
    else:
        health, outcome = look(url)
        typer.echo(outcome.shown(as_json))
    raise typer.Exit(health)


@partial(asks_node, unknown=2)
def doctor(url: str, as_json: Json = False) -> None:
    """
    Tell what needs attention, and what to do. Exit status: 0 nothing but notices, 1 warnings, 2 it
    cannot be told, 3 something is critical.
    """
    from node.cli.cluster.doctor import diagnose

    with told(2):
        found = diagnose(url)
    typer.echo(found.outcome.shown(as_json))
    raise typer.Exit(found.status)


@partial(asks_node, unknown=2)
def work(
    url: str,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Look every 2 s, until nothing goes on, or interrupted."),
    ] = False,
    as_json: Json = False,
) -> None:
    """
    Show what goes on that takes long: copies, drains, changes of the layout. Exit status: 0 all of
    it goes, 1 something STALLED, 2 it cannot be told.
    """
    from node.cli.cluster.work import look
    from node.cli.cluster.work import watch as look_on

    with told(2):
        if watch:
            status = look_on(url, lambda seen: _redraw(seen.shown(as_json), as_json=as_json))
        else:
            seen = look(url)
            status = seen.status
            typer.echo(seen.outcome.shown(as_json))
    raise typer.Exit(status)


@asks_node
def settings(url: str, as_json: Json = False) -> None:
    """Show the settings of the cluster and of a node, and where each of the node's comes from."""
    from node.cli.cluster.settings import look

    with told():
        typer.echo(look(url).shown(as_json))


@asks_node
def top(
    url: str,
    once: Annotated[bool, typer.Option("--once", help="Show it once, and not again.")] = False,
    as_json: Json = False,
) -> None:
    """Show regions, nodes, what goes on and what the node does, again every 2 s, until
    interrupted. Once where the output is no terminal."""
    from node.cli.cluster.top import look
    from node.cli.cluster.top import watch as look_on

    with told():
        if once or as_json or not sys.stdout.isatty():
            typer.echo(look(url).shown(as_json))
        else:
            look_on(url)


def _redraw(text: str, *, as_json: bool) -> None:
    if not as_json:
        text = f"{_CLEAR}{text}"
    typer.echo(text)  # which leaves out what only a terminal knows, where there is none


@asks_node
def leave(
    url: str,
    drain: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            min=0.0,
            help="Time for load balancers to send clients elsewhere; 5 s without it.",
        ),
    ] = None,
    patience: _Patience = _PATIENCE_S,
    timeout: Annotated[
        float,
        typer.Option(metavar="SECONDS", min=0.0, help="Time for its peers to take note, then."),
    ] = 60.0,
    lost: Annotated[
        bool, typer.Option("--lost", help="Leave with copies that no other node has: lose them.")
    ] = False,
    yes_i_lose: _Given = None,
    as_json: Json = False,
) -> None:
    """Take a node out of its cluster for good: others get its copies, it drains, and stops."""
    from node.cli.cluster.leave import leave as ask_to_leave

    with told():
        left = ask_to_leave(
            url,
            drain,
            timeout,
            tell=tell,
            patience_s=patience,
            lost=lost,
            ask_word=asking(),
            given=yes_i_lose or (),
        )
        typer.echo(left.shown(as_json))


node = command_group("Add, drain and remove members.")
layout = command_group("Show, plan and change who should be in the cluster, and what it keeps.")


@node.command("add")
@asks_node
def node_add(
    name: _Node,
    url: str,
    zone: Annotated[str | None, typer.Option(help="Instead of what it says itself.")] = None,
    weight: Annotated[int | None, typer.Option(min=1, help="Likewise.")] = None,
    as_json: Json = False,
) -> None:
    """Make a node a member that was started with the address of one to join."""
    from node.cli.cluster.members import add

    with told():
        typer.echo(add(url, name, zone, weight).shown(as_json))


@node.command("remove")
@asks_node
def node_remove(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Names of nodes.")],
    url: str,
    lost: _Lost = False,
    yes_i_lose: _Given = None,
    patience: _Patience = _PATIENCE_S,
    as_json: Json = False,
) -> None:
    """
    Have others get a member's copies, and take it out; with --lost dead ones, as they are.

    Several that are lost go by one change: where most of a region are dead, none can go alone.
    """
    from node.cli.cluster.members import remove, remove_lost

    with told():
        if lost:
            done = remove_lost(url, names, ask_word=asking(), given=yes_i_lose or ())
            typer.echo(done.shown(as_json))
            return
        for name in names:
            typer.echo(remove(url, name, patience_s=patience, tell=tell).shown(as_json))


@node.command("replace")
@asks_node
def node_replace(
    name: _Node,
    by: Annotated[str, typer.Argument(help="Who comes: another node, or NAME with a new disk.")],
    url: str,
    lost: _Lost = False,
    yes_i_lose: _Given = None,
    patience: _Patience = _PATIENCE_S,
    as_json: Json = False,
) -> None:
    """Have another node take the place of a member."""
    from node.cli.cluster.members import replace, replace_lost

    with told():
        if lost:
            done = replace_lost(url, name, by, ask_word=asking(), given=yes_i_lose or ())
        else:
            done = replace(url, name, by, patience_s=patience, tell=tell)
        typer.echo(done.shown(as_json))


@node.command("list")
@asks_node
def node_list(url: str, as_json: Json = False) -> None:
    """Show the nodes: how each is, how far behind, its disk, and whether it may be stopped."""
    from node.cli.cluster.top import nodes

    with told():
        typer.echo(nodes(url).shown(as_json))


@node.command("safe-to-stop")
@partial(asks_node, unknown=2)
def node_safe_to_stop(name: _Node, url: str, as_json: Json = False) -> None:
    """
    Tell whether a member may be stopped for a while. Exit status: 0 yes, 1 no, 2 it cannot be
    told.
    """
    from node.cli.cluster.members import safe_to_stop

    with told(2):
        safe, found = safe_to_stop(url, name)
    typer.echo(found.shown(as_json))
    raise typer.Exit(0 if safe else 1)


@node.command("safe-to-remove")
@partial(asks_node, unknown=2)
def node_safe_to_remove(name: _Node, url: str, as_json: Json = False) -> None:
    """Tell whether a member may go. Exit status: 0 yes, 1 no, 2 it cannot be told."""
    from node.cli.cluster.members import safe_to_remove

    with told(2):
        safe, found = safe_to_remove(url, name)
    typer.echo(found.shown(as_json))
    raise typer.Exit(0 if safe else 1)


@node.command("pause")
@asks_node
def node_pause(name: _Node, url: str, as_json: Json = False) -> None:
    """Have a member get no copies that it does not have; those that it has count."""
    _become(name, url, "pause", as_json=as_json)


@node.command("drain")
@asks_node
def node_drain(name: _Node, url: str, as_json: Json = False) -> None:
    """Have others get a member's copies, which count no more; it goes on serving."""
    _become(name, url, "drain", as_json=as_json)


@node.command("resume")
@asks_node
def node_resume(name: _Node, url: str, as_json: Json = False) -> None:
    """Have a member that is paused, or drains, be as any other."""
    _become(name, url, "resume", as_json=as_json)


def _become(name: str, url: str, word: str, *, as_json: bool) -> None:
    from node.cli.cluster.members import become

    with told():
        typer.echo(become(url, name, word).shown(as_json))


@layout.command("show")
@asks_node
def layout_show(url: str, as_json: Json = False) -> None:
    """Show the layout that is live, the change that goes on, and what was planned at the node."""
    from node.cli.cluster.layout import show

    with told():
        typer.echo(show(url).shown(as_json))


@layout.command("history")
@asks_node
def layout_history(url: str, as_json: Json = False) -> None:
    """Show all decisions about the layout."""
    from node.cli.cluster.layout import history

    with told():
        typer.echo(history(url).shown(as_json))


_Nodes = Annotated[list[str] | None, typer.Option(metavar="NODE")]
_NodeValues = Annotated[list[str] | None, typer.Option(metavar="NODE=VALUE")]
_RegionValues = Annotated[list[str] | None, typer.Option(metavar="REGION=VALUE")]


@layout.command("plan")
@asks_node
def layout_plan(
    url: str,
    add: _Nodes = None,
    remove: _Nodes = None,
    drain: _Nodes = None,
    pause: _Nodes = None,
    resume: _Nodes = None,
    weight: _NodeValues = None,
    zone: _NodeValues = None,
    roles: Annotated[
        list[str] | None, typer.Option(metavar="NODE=ROLE,ROLE", help="store, proxy, voter.")
    ] = None,
    voters: Annotated[str | None, typer.Option(metavar="NODE,NODE,NODE")] = None,
    witness: Annotated[list[str] | None, typer.Option(metavar="REGION=NODE")] = None,
    region_copies: Annotated[
        list[str] | None,
        typer.Option(metavar="REGION=COPIES", help="`default`: as everywhere."),
    ] = None,
    copies: Annotated[int | None, typer.Option(metavar="N")] = None,
    regions_min: Annotated[int | None, typer.Option(metavar="N")] = None,
    degraded_writes: Annotated[str | None, typer.Option(metavar="allow|refuse")] = None,
    as_json: Json = False,
) -> None:
    """Show the version that changes would make, and what it would move. Nothing changes."""
    from node.cli.cluster.layout import plan
    from node.cli.cluster.layout_changes import changes

    with told():
        asked = changes(
            add=add,
            remove=remove,
            drain=drain,
            pause=pause,
            resume=resume,
            weight=weight,
            zone=zone,
            roles=roles,
            voters=voters,
            witness=witness,
            region_copies=region_copies,
            shared={
                "copies": copies,
                "regions_min": regions_min,
                "degraded_writes": degraded_writes,
            },
        )
        typer.echo(plan(url, asked).shown(as_json))


@layout.command("apply")
@asks_node
def layout_apply(
    version: Annotated[int, typer.Option(help="The version that was planned.")],
    url: str,
    plan: Annotated[
        str,
        typer.Option(metavar="FINGERPRINT", help="Which one, where there are several; its start."),
    ] = "",
    yes_i_lose: _Given = None,
    as_json: Json = False,
) -> None:
    """Bring about what was planned at this node: that, and nothing else."""
    from node.cli.cluster.layout import apply

    with told():
        done = apply(url, version, plan, ask_word=asking(), given=yes_i_lose or ())
        typer.echo(done.shown(as_json))


@layout.command("init")
@asks_node
def layout_init(url: str, as_json: Json = False) -> None:
    """Found a cluster of one node alone; others are added to it."""
    from node.cli.cluster.layout import init

    with told():
        typer.echo(init(url).shown(as_json))


@layout.command("force")
@asks_node
def layout_force(
    survivors: Annotated[
        str, typer.Option(metavar="NODE,NODE", help="Who goes on; the node that is asked as well.")
    ],
    url: str,
    yes_i_lose: _Given = None,
    as_json: Json = False,
) -> None:
    """After a disaster: go on with some members; the others are lost for good."""
    from node.cli.cluster.layout import force

    with told():
        named = [name.strip() for name in survivors.split(",") if name.strip()]
        done = force(url, named, ask_word=asking(), given=yes_i_lose or ())
        typer.echo(done.shown(as_json))
