"""
Who may do what, written down a second time: by hand, and not as `node.identity.actions` has it.

What stands in only one of the two is a mistake in one of them.
"""

from collections.abc import Mapping
from typing import Final

from node.identity.actions import Action

_TABLE: Final = """
    anybody             front
    anybody             node.alive
    anybody             node.ready
    anybody             api.describe
    anybody             token.get
    anybody             token.post
    login               ping
    login               catalog
    login               repositories.list
    login               search
    login               conflicts.list
    login               activity.list
    login               activity.csv
    login               projects.list
    login               wait
    login               access.list
    login               account.read
    login               account.password
    login               account.tokens.list
    login               account.tokens.add
    login               account.tokens.revoke
    pull                tags.list
    pull                repository.tags
    pull                referrers.list
    pull                manifest.read
    pull                blob.read
    pull                image.read
    pull                image.referrers
    pull                image.replication
    pusher              manifest.write
    pusher              upload.start
    pusher              upload.status
    pusher              upload.append
    pusher              upload.finish
    pusher              upload.cancel
    maintainer          manifest.delete
    maintainer          blob.delete
    maintainer          tag.read
    maintainer          tag.rollback
    puller              project.read
    maintainer          project.write
    maintainer          project.delete
    admin               access.read
    admin               access.write
    admin               grant.write
    admin               grant.revoke
    admin               robots.list
    admin               robot.create
    admin               robot.write
    admin               robot.delete
    admin               robot.secrets.list
    admin               robot.secrets.add
    admin               robot.secrets.revoke
    cluster-watcher     cluster.read
    cluster-watcher     cluster.status
    cluster-watcher     cluster.attention
    cluster-watcher     regions.list
    cluster-watcher     series.read
    cluster-watcher     work.list
    cluster-watcher     members.list
    cluster-watcher     member.stoppable
    cluster-watcher     layout.read
    cluster-watcher     layout.history
    cluster-watcher     member.stakes
    cluster-watcher     node.metrics
    cluster-admin       settings.read
    cluster-admin       layout.plan
    cluster-admin       layout.apply
    cluster-admin       layout.init
    cluster-admin       layout.force
    cluster-admin       member.pause
    cluster-admin       member.resume
    cluster-admin       member.drain
    cluster-admin       member.remove
    cluster-admin       cluster.leave
    cluster-admin       access.delete
    cluster-admin       users.list
    cluster-admin       user.create
    cluster-admin       user.write
    cluster-admin       user.delete
    cluster-admin       groups.list
    cluster-admin       group.create
    cluster-admin       group.read
    cluster-admin       group.write
    cluster-admin       group.delete
    cluster-admin       grants.cluster.list
    cluster-admin       grants.cluster.write
    cluster-admin       grants.cluster.revoke
    cluster-watcher     keys.list
    cluster-admin       key.revoke
    cluster-admin       why
    anybody             page.login
    anybody             page.left
    anybody             page.asset
    anybody             session.begin
    login               page.overview
    login               page.repositories
    login               page.project
    login               page.search
    pull                page.repository
    login               page.activity
    pull                page.tag
    pull                page.image
    maintainer          page.rollback
    cluster-watcher     page.cluster
    cluster-admin       page.layout.plan
    cluster-admin       page.layout.apply
    cluster-admin       page.settings
    cluster-admin       page.settings.plan
    login               page.access
    login               page.account.password
    login               page.account.tokens.add
    login               page.account.tokens.revoke
    cluster-admin       page.user
    cluster-admin       page.user.create
    cluster-admin       page.user.write
    cluster-admin       page.user.delete
    cluster-admin       page.group
    cluster-admin       page.group.create
    cluster-admin       page.group.write
    cluster-admin       page.group.delete
    admin               page.project.access
    cluster-admin       page.project.create
    admin               page.project.write
    admin               page.grant.write
    admin               page.grant.revoke
    cluster-admin       page.grants.cluster.write
    cluster-admin       page.grants.cluster.revoke
    admin               page.robot
    admin               page.robot.create
    admin               page.robot.write
    admin               page.robot.delete
    admin               page.robot.secrets.add
    admin               page.robot.secrets.revoke
    cluster-admin       page.key.revoke
    cluster-admin       page.why
    login               session.end
"""

LEAST: Final[Mapping[str, str]] = {
    action: word for word, action in map(str.split, _TABLE.strip().splitlines())
}
"""What an action takes at least, by the action."""

RANK: Final = ("watcher", "puller", "pusher", "maintainer", "admin")

PUBLIC: Final = {"pub", "farpub"}

PROJECTS: Final = ("lib", "pub", "far", "farpub")
"""Two in which the callers below have their roles, and two in which they have none."""

ROLES: Final[Mapping[str, Mapping[str, str]]] = {
    "": {},
    "nobody": {},
    "puller": {"lib": "puller", "pub": "puller"},
    "pusher": {"lib": "pusher", "pub": "pusher"},
    "maintainer": {"lib": "maintainer", "pub": "maintainer"},
    "admin": {"lib": "admin", "pub": "admin"},
    "lib+robot": {"lib": "maintainer"},
    "watcher": {"*": "watcher"},
    "reader": {"*": "puller"},
    "root": {"*": "admin"},
}
"""Who calls, and what they were granted; the first is a stranger."""


def expected(action: Action, caller: str, project: str, *, with_token: bool) -> int:
    """What the caller is told: 0, where the handler is reached."""
    word, roles = LEAST[action], ROLES[caller]
    if word == "anybody":
        return 0
    if not caller:
        if word == "pull" and project in PUBLIC:
            return 0
        return 0 if action == Action.PING and with_token else 401
    if word == "login":
        return 0
    everywhere = rank_of(roles.get("*"))
    if word.startswith("cluster-"):
        return 0 if everywhere >= rank_of(word.removeprefix("cluster-")) else 403
    held = max(everywhere, rank_of(roles.get(project)))
    sees = held >= rank_of("puller") or project in PUBLIC
    if word == "pull":
        return 0 if sees else 404
    if held >= rank_of(word):
        return 0
    return 404 if action == Action.TAG_READ and not sees else 403


def rank_of(role: str | None) -> int:
    return -1 if role is None else RANK.index(role)
