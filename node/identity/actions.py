"""
The one table from what a request does to who may do it. What is not in it is not served.

Roles are ordered: each may do what the ones before it may.
"""

from collections.abc import Mapping
from enum import IntEnum, StrEnum
from typing import Final, NamedTuple


class Action(StrEnum):
    """What a request wants to do; permissions and metrics go by these."""

    PING = "ping"
    CATALOG = "catalog"
    TAGS = "tags.list"
    REFERRERS = "referrers.list"
    MANIFEST_READ = "manifest.read"
    MANIFEST_WRITE = "manifest.write"
    MANIFEST_DELETE = "manifest.delete"
    BLOB_READ = "blob.read"
    BLOB_DELETE = "blob.delete"
    UPLOAD_START = "upload.start"
    UPLOAD_STATUS = "upload.status"
    UPLOAD_APPEND = "upload.append"
    UPLOAD_FINISH = "upload.finish"
    UPLOAD_CANCEL = "upload.cancel"
    TAG_READ = "tag.read"
    TAG_ROLLBACK = "tag.rollback"
    REPOSITORIES = "repositories.list"
    REPOSITORY_TAGS = "repository.tags"
    SEARCH = "search"
    IMAGE_READ = "image.read"
    IMAGE_REFERRERS = "image.referrers"
    IMAGE_REPLICATION = "image.replication"
    ACTIVITY = "activity.list"
    ACTIVITY_CSV = "activity.csv"
    CONFLICTS = "conflicts.list"
    PROJECTS = "projects.list"
    PROJECT_READ = "project.read"
    PROJECT_WRITE = "project.write"
    PROJECT_DELETE = "project.delete"
    CLUSTER = "cluster.read"
    WAIT = "wait"
    STATUS = "cluster.status"
    ATTENTION = "cluster.attention"
    REGIONS = "regions.list"
    SERIES = "series.read"
    WORK = "work.list"
    SETTINGS = "settings.read"
    LAYOUT_READ = "layout.read"
    LAYOUT_HISTORY = "layout.history"
    LAYOUT_PLAN = "layout.plan"
    LAYOUT_APPLY = "layout.apply"
    LAYOUT_INIT = "layout.init"
    LAYOUT_FORCE = "layout.force"
    MEMBERS = "members.list"
    MEMBER_STOP = "member.stoppable"
    MEMBER_PAUSE = "member.pause"
    MEMBER_RESUME = "member.resume"
    MEMBER_DRAIN = "member.drain"
    MEMBER_STAKES = "member.stakes"
    MEMBER_REMOVE = "member.remove"
    LEAVE = "cluster.leave"
    FRONT = "front"
    ALIVE = "node.alive"
    READY = "node.ready"
    METRICS = "node.metrics"
    DESCRIBE = "api.describe"
    TOKEN_GET = "token.get"
    TOKEN_POST = "token.post"
    ACCOUNT = "account.read"
    ACCOUNT_PASSWORD = "account.password"
    ACCOUNT_TOKENS = "account.tokens.list"
    ACCOUNT_TOKEN_ADD = "account.tokens.add"
    ACCOUNT_TOKEN_REVOKE = "account.tokens.revoke"
    USERS = "users.list"
    USER_CREATE = "user.create"
    USER_WRITE = "user.write"
    USER_DELETE = "user.delete"
    GROUPS = "groups.list"
    GROUP_CREATE = "group.create"
    GROUP_READ = "group.read"
    GROUP_WRITE = "group.write"
    GROUP_DELETE = "group.delete"
    ACCESS_LIST = "access.list"
    ACCESS_READ = "access.read"
    ACCESS_WRITE = "access.write"
    ACCESS_DELETE = "access.delete"
    GRANT_WRITE = "grant.write"
    GRANT_REVOKE = "grant.revoke"
    CLUSTER_GRANTS = "grants.cluster.list"
    CLUSTER_GRANT_WRITE = "grants.cluster.write"
    CLUSTER_GRANT_REVOKE = "grants.cluster.revoke"
    ROBOTS = "robots.list"
    ROBOT_CREATE = "robot.create"
    ROBOT_WRITE = "robot.write"
    ROBOT_DELETE = "robot.delete"
    ROBOT_SECRETS = "robot.secrets.list"
    ROBOT_SECRET_ADD = "robot.secrets.add"
    ROBOT_SECRET_REVOKE = "robot.secrets.revoke"
    KEYS = "keys.list"
    KEY_REVOKE = "key.revoke"
    WHY = "why"
    PAGE_OVERVIEW = "page.overview"
    PAGE_REPOSITORIES = "page.repositories"
    PAGE_REPOSITORY = "page.repository"
    PAGE_PROJECT = "page.project"
    PAGE_SEARCH = "page.search"
    PAGE_TAG = "page.tag"
    PAGE_IMAGE = "page.image"
    PAGE_ROLLBACK = "page.rollback"
    PAGE_ACTIVITY = "page.activity"
    PAGE_CLUSTER = "page.cluster"
    PAGE_LAYOUT_PLAN = "page.layout.plan"
    PAGE_LAYOUT_APPLY = "page.layout.apply"
    PAGE_SETTINGS = "page.settings"
    PAGE_SETTINGS_PLAN = "page.settings.plan"
    PAGE_ACCESS = "page.access"
    PAGE_PASSWORD = "page.account.password"
    PAGE_TOKEN_ADD = "page.account.tokens.add"
    PAGE_TOKEN_REVOKE = "page.account.tokens.revoke"
    PAGE_USER = "page.user"
    PAGE_USER_CREATE = "page.user.create"
    PAGE_USER_WRITE = "page.user.write"
    PAGE_USER_DELETE = "page.user.delete"
    PAGE_GROUP = "page.group"
    PAGE_GROUP_CREATE = "page.group.create"
    PAGE_GROUP_WRITE = "page.group.write"
    PAGE_GROUP_DELETE = "page.group.delete"
    PAGE_PROJECT_ACCESS = "page.project.access"
    PAGE_PROJECT_CREATE = "page.project.create"
    PAGE_PROJECT_WRITE = "page.project.write"
    PAGE_GRANT_WRITE = "page.grant.write"
    PAGE_GRANT_REVOKE = "page.grant.revoke"
    PAGE_CLUSTER_GRANT_WRITE = "page.grants.cluster.write"
    PAGE_CLUSTER_GRANT_REVOKE = "page.grants.cluster.revoke"
    PAGE_ROBOT = "page.robot"
    PAGE_ROBOT_CREATE = "page.robot.create"
    PAGE_ROBOT_WRITE = "page.robot.write"
    PAGE_ROBOT_DELETE = "page.robot.delete"
    PAGE_ROBOT_SECRET_ADD = "page.robot.secrets.add"
    PAGE_ROBOT_SECRET_REVOKE = "page.robot.secrets.revoke"
    PAGE_KEY_REVOKE = "page.key.revoke"
    PAGE_WHY = "page.why"
    PAGE_LOGIN = "page.login"
    PAGE_LEFT = "page.left"
    PAGE_ASSET = "page.asset"
    LOG_IN = "session.begin"
    LOG_OUT = "session.end"


class Role(IntEnum):
    """What somebody is in a project; or, granted for `*`, in the cluster with all its projects."""

    WATCHER = 0
    """For `*` alone: sees how the cluster is, and none of what is stored in it."""

    PULLER = 1
    """Reads images."""

    PUSHER = 2
    """Writes images, and moves tags."""

    MAINTAINER = 3
    """Deletes; sees histories and goes back in them; sets the policy of the project."""

    ADMIN = 4
    """Says who may do what. For `*`: runs the cluster."""


def role_named(value: int) -> str:
    """The name of a role that is stored; of one that is unknown, the nearest."""
    return Role(min(Role.ADMIN, max(Role.WATCHER, value))).name.lower()


class Reach(StrEnum):
    """What a role has to be held for, that the action is allowed."""

    ANYBODY = "anybody"
    """Nothing: strangers too."""

    KNOWN = "known"
    """Nothing, by anybody who has logged in. What is listed is what they may pull."""

    REPOSITORY = "repository"
    """The project of the repository, and the repository by its patterns."""

    PROJECT = "project"
    """The whole project."""

    CLUSTER = "cluster"
    """`*`: the cluster."""


class Verb(StrEnum):
    """What a bearer token has to say: the actions of the Docker token protocol, and ours."""

    NONE = ""
    PULL = "pull"
    PUSH = "push"
    DELETE = "delete"
    CATALOG = "catalog"
    OPERATE = "operate"


class Rule(NamedTuple):
    """What an action takes."""

    reach: Reach
    role: Role
    verb: Verb


_OPEN: Final = Rule(Reach.ANYBODY, Role.PULLER, Verb.NONE)
_KNOWN: Final = Rule(Reach.KNOWN, Role.PULLER, Verb.OPERATE)
_PULL: Final = Rule(Reach.REPOSITORY, Role.PULLER, Verb.PULL)
_PUSH: Final = Rule(Reach.REPOSITORY, Role.PUSHER, Verb.PUSH)
_DELETE: Final = Rule(Reach.REPOSITORY, Role.MAINTAINER, Verb.DELETE)
_KEEP: Final = Rule(Reach.REPOSITORY, Role.MAINTAINER, Verb.OPERATE)
_LOOK: Final = Rule(Reach.CLUSTER, Role.WATCHER, Verb.OPERATE)
_OWN: Final = Rule(Reach.PROJECT, Role.ADMIN, Verb.OPERATE)
_RUN: Final = Rule(Reach.CLUSTER, Role.ADMIN, Verb.OPERATE)

RULES: Final[Mapping[Action, Rule]] = {
    Action.PING: Rule(Reach.KNOWN, Role.PULLER, Verb.NONE),
    Action.CATALOG: Rule(Reach.KNOWN, Role.PULLER, Verb.CATALOG),
    Action.TAGS: _PULL,
    Action.REFERRERS: _PULL,
    Action.MANIFEST_READ: _PULL,
    Action.MANIFEST_WRITE: _PUSH,
    Action.MANIFEST_DELETE: _DELETE,
    Action.BLOB_READ: _PULL,
    Action.BLOB_DELETE: _DELETE,
    Action.UPLOAD_START: _PUSH,
    Action.UPLOAD_STATUS: _PUSH,
    Action.UPLOAD_APPEND: _PUSH,
    Action.UPLOAD_FINISH: _PUSH,
    Action.UPLOAD_CANCEL: _PUSH,
    Action.TAG_READ: _KEEP,
    Action.TAG_ROLLBACK: _KEEP,
    Action.REPOSITORIES: _KNOWN,
    Action.REPOSITORY_TAGS: _PULL,
    Action.SEARCH: _KNOWN,
    Action.IMAGE_READ: _PULL,
    Action.IMAGE_REFERRERS: _PULL,
    Action.IMAGE_REPLICATION: _PULL,
    Action.ACTIVITY: _KNOWN,
    Action.ACTIVITY_CSV: _KNOWN,
    Action.CONFLICTS: _KNOWN,
    Action.PROJECTS: _KNOWN,
    Action.PROJECT_READ: Rule(Reach.PROJECT, Role.PULLER, Verb.OPERATE),
    Action.PROJECT_WRITE: Rule(Reach.PROJECT, Role.MAINTAINER, Verb.OPERATE),
    Action.PROJECT_DELETE: Rule(Reach.PROJECT, Role.MAINTAINER, Verb.OPERATE),
    Action.CLUSTER: _LOOK,
    Action.WAIT: _KNOWN,
    Action.STATUS: _LOOK,
    Action.ATTENTION: _LOOK,
    Action.REGIONS: _LOOK,
    Action.SERIES: _LOOK,
    Action.WORK: _LOOK,
    Action.SETTINGS: _RUN,
    Action.LAYOUT_READ: _LOOK,
    Action.LAYOUT_HISTORY: _LOOK,
    Action.LAYOUT_PLAN: _RUN,
    Action.LAYOUT_APPLY: _RUN,
    Action.LAYOUT_INIT: _RUN,
    Action.LAYOUT_FORCE: _RUN,
    Action.MEMBERS: _LOOK,
    Action.MEMBER_STOP: _LOOK,
    Action.MEMBER_PAUSE: _RUN,
    Action.MEMBER_RESUME: _RUN,
    Action.MEMBER_DRAIN: _RUN,
    Action.MEMBER_STAKES: _LOOK,
    Action.MEMBER_REMOVE: _RUN,
    Action.LEAVE: _RUN,
    Action.FRONT: _OPEN,
    Action.ALIVE: _OPEN,
    Action.READY: _OPEN,
    Action.METRICS: _LOOK,
    Action.DESCRIBE: _OPEN,
    Action.TOKEN_GET: _OPEN,
    Action.TOKEN_POST: _OPEN,
    Action.ACCOUNT: _KNOWN,
    Action.ACCOUNT_PASSWORD: _KNOWN,
    Action.ACCOUNT_TOKENS: _KNOWN,
    Action.ACCOUNT_TOKEN_ADD: _KNOWN,
    Action.ACCOUNT_TOKEN_REVOKE: _KNOWN,
    Action.USERS: _RUN,
    Action.USER_CREATE: _RUN,
    Action.USER_WRITE: _RUN,
    Action.USER_DELETE: _RUN,
    Action.GROUPS: _RUN,
    Action.GROUP_CREATE: _RUN,
    Action.GROUP_READ: _RUN,
    Action.GROUP_WRITE: _RUN,
    Action.GROUP_DELETE: _RUN,
    Action.ACCESS_LIST: _KNOWN,
    Action.ACCESS_READ: _OWN,
    Action.ACCESS_WRITE: _OWN,
    Action.ACCESS_DELETE: _RUN,
    Action.GRANT_WRITE: _OWN,
    Action.GRANT_REVOKE: _OWN,
    Action.CLUSTER_GRANTS: _RUN,
    Action.CLUSTER_GRANT_WRITE: _RUN,
    Action.CLUSTER_GRANT_REVOKE: _RUN,
    Action.ROBOTS: _OWN,
    Action.ROBOT_CREATE: _OWN,
    Action.ROBOT_WRITE: _OWN,
    Action.ROBOT_DELETE: _OWN,
    Action.ROBOT_SECRETS: _OWN,
    Action.ROBOT_SECRET_ADD: _OWN,
    Action.ROBOT_SECRET_REVOKE: _OWN,
    Action.KEYS: _LOOK,
    Action.KEY_REVOKE: _RUN,
    Action.WHY: _RUN,
    Action.PAGE_OVERVIEW: _KNOWN,
    Action.PAGE_REPOSITORIES: _KNOWN,
    Action.PAGE_REPOSITORY: _PULL,
    Action.PAGE_PROJECT: _KNOWN,
    Action.PAGE_SEARCH: _KNOWN,
    Action.PAGE_TAG: _PULL,
    Action.PAGE_IMAGE: _PULL,
    Action.PAGE_ROLLBACK: _KEEP,
    Action.PAGE_ACTIVITY: _KNOWN,
    Action.PAGE_CLUSTER: _LOOK,
    Action.PAGE_LAYOUT_PLAN: _RUN,
    Action.PAGE_LAYOUT_APPLY: _RUN,
    Action.PAGE_SETTINGS: _RUN,
    Action.PAGE_SETTINGS_PLAN: _RUN,
    Action.PAGE_ACCESS: _KNOWN,
    Action.PAGE_PASSWORD: _KNOWN,
    Action.PAGE_TOKEN_ADD: _KNOWN,
    Action.PAGE_TOKEN_REVOKE: _KNOWN,
    Action.PAGE_USER: _RUN,
    Action.PAGE_USER_CREATE: _RUN,
    Action.PAGE_USER_WRITE: _RUN,
    Action.PAGE_USER_DELETE: _RUN,
    Action.PAGE_GROUP: _RUN,
    Action.PAGE_GROUP_CREATE: _RUN,
    Action.PAGE_GROUP_WRITE: _RUN,
    Action.PAGE_GROUP_DELETE: _RUN,
    Action.PAGE_PROJECT_ACCESS: _OWN,
    Action.PAGE_PROJECT_CREATE: _RUN,
    Action.PAGE_PROJECT_WRITE: _OWN,
    Action.PAGE_GRANT_WRITE: _OWN,
    Action.PAGE_GRANT_REVOKE: _OWN,
    Action.PAGE_CLUSTER_GRANT_WRITE: _RUN,
    Action.PAGE_CLUSTER_GRANT_REVOKE: _RUN,
    Action.PAGE_ROBOT: _OWN,
    Action.PAGE_ROBOT_CREATE: _OWN,
    Action.PAGE_ROBOT_WRITE: _OWN,
    Action.PAGE_ROBOT_DELETE: _OWN,
    Action.PAGE_ROBOT_SECRET_ADD: _OWN,
    Action.PAGE_ROBOT_SECRET_REVOKE: _OWN,
    Action.PAGE_KEY_REVOKE: _RUN,
    Action.PAGE_WHY: _RUN,
    Action.PAGE_LOGIN: _OPEN,
    Action.PAGE_LEFT: _OPEN,
    Action.PAGE_ASSET: _OPEN,
    Action.LOG_IN: _OPEN,
    Action.LOG_OUT: _KNOWN,
}
"""Every action: `node.edge` does not start with an endpoint whose action is missing here."""
