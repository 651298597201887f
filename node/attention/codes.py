"""What may need attention, and how bad each is by itself. Each code has a page in docs/runbooks."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple


class Severity(StrEnum):
    """How bad it is, the worst first."""

    CRITICAL = "critical"
    """Requests are refused, or data are at stake: now."""

    WARNING = "warning"
    """A person should look: the next failure would be felt."""

    NOTICE = "notice"
    """Somebody wanted it so, or it ends by itself; good to know when something else is wrong."""


class Harm(StrEnum):
    """Who is hurt, the worst first."""

    REQUESTS = "requests"
    """Clients: reads or writes are refused, or are not the latest."""

    REDUNDANCY = "redundancy"
    """Nobody yet: there is less left that could fail."""

    HYGIENE = "hygiene"
    """Nobody."""


class Code(StrEnum):
    """The names by which people, alarms and runbooks know a finding. They stay as they are."""

    NO_LAYOUT = "no-layout"
    VOTERS_LOST = "voters-lost"
    LOGINS_REFUSED = "logins-refused"
    CHANGE_STALLED = "change-stalled"
    LAYOUT_UNMET = "layout-unmet"
    NODE_DEAD = "node-dead"
    NODE_UNHEARD = "node-unheard"
    NODE_SUSPECT = "node-suspect"
    NODE_STOPPED = "node-stopped"
    NODE_UNLINKED = "node-unlinked"
    NODE_LEFT = "node-left"
    NODE_OUTSIDE = "node-outside"
    DISK_REPLACED = "disk-replaced"
    NODE_JOINING = "node-joining"
    NODE_RESTORING = "node-restoring"
    NODE_STOPPING = "node-stopping"
    NODE_TROUBLE = "node-trouble"
    NODE_DRAINING = "node-draining"
    NODE_PAUSED = "node-paused"
    SETTINGS_DIFFER = "settings-differ"
    VERSIONS_MIXED = "versions-mixed"
    SEEDS_MISSING = "seeds-missing"
    WRITES_REFUSED = "writes-refused"
    READS_REFUSED = "reads-refused"
    READS_UNCONFIRMED = "reads-unconfirmed"
    READS_UNCOVERED = "reads-uncovered"
    CLOCK_OFF = "clock-off"
    REGION_BEHIND = "region-behind"
    NODE_BEHIND = "node-behind"
    LOG_STANDS = "log-stands"
    LOGS_MANY = "logs-many"
    BLOBS_GONE = "blobs-gone"
    COPIES_SHORT = "copies-short"
    UNCOUNTED = "uncounted"
    TAG_CONFLICTS = "tag-conflicts"
    DISK_FULL = "disk-full"
    DISK_NEARLY_FULL = "disk-nearly-full"
    BLOB_DISK_FAILING = "blob-disk-failing"
    INDEX_UNUSABLE = "index-unusable"
    ROWS_DAMAGED = "rows-damaged"
    INDEX_DIFFERS = "index-differs"
    BLOBS_DAMAGED = "blobs-damaged"
    EVENTS_QUARANTINED = "events-quarantined"
    AUTH_OPEN = "auth-open"
    NOBODY_ADMIN = "nobody-admin"
    SIGNING_KEY_MISSING = "signing-key-missing"

    @property
    def runbook(self) -> str:
        """Where its page is, in the sources."""
        return f"docs/runbooks/{self}.md"


class Grade(NamedTuple):
    severity: Severity
    harm: Harm


_REFUSED: Final = Grade(Severity.CRITICAL, Harm.REQUESTS)
_HINDERED: Final = Grade(Severity.WARNING, Harm.REQUESTS)
_THINNED: Final = Grade(Severity.WARNING, Harm.REDUNDANCY)
_UNTIDY: Final = Grade(Severity.WARNING, Harm.HYGIENE)
_KNOWN: Final = Grade(Severity.NOTICE, Harm.HYGIENE)

GRADES: Final[Mapping[Code, Grade]] = {
    Code.NO_LAYOUT: _REFUSED,
    Code.VOTERS_LOST: _THINNED,
    Code.LOGINS_REFUSED: _REFUSED,
    Code.CHANGE_STALLED: _THINNED,
    Code.LAYOUT_UNMET: _THINNED,
    Code.NODE_DEAD: _THINNED,
    Code.NODE_UNHEARD: _THINNED,
    Code.NODE_SUSPECT: _THINNED,
    Code.NODE_STOPPED: _THINNED,
    Code.NODE_UNLINKED: _THINNED,
    Code.NODE_LEFT: _THINNED,
    Code.NODE_OUTSIDE: _UNTIDY,
    Code.DISK_REPLACED: _THINNED,
    Code.NODE_JOINING: _THINNED,
    Code.NODE_RESTORING: _THINNED,
    Code.NODE_STOPPING: _THINNED,
    Code.NODE_TROUBLE: _THINNED,
    Code.NODE_DRAINING: _KNOWN,
    Code.NODE_PAUSED: _KNOWN,
    Code.SETTINGS_DIFFER: _UNTIDY,
    Code.VERSIONS_MIXED: _KNOWN,
    Code.SEEDS_MISSING: _KNOWN,
    Code.WRITES_REFUSED: _REFUSED,
    Code.READS_REFUSED: _REFUSED,
    Code.READS_UNCONFIRMED: _HINDERED,
    Code.READS_UNCOVERED: _THINNED,
    Code.CLOCK_OFF: _REFUSED,
    Code.REGION_BEHIND: _HINDERED,
    Code.NODE_BEHIND: _HINDERED,
    Code.LOG_STANDS: _REFUSED,
    Code.LOGS_MANY: _UNTIDY,
    Code.BLOBS_GONE: _REFUSED,
    Code.COPIES_SHORT: _THINNED,
    Code.UNCOUNTED: _UNTIDY,
    Code.TAG_CONFLICTS: _UNTIDY,
    Code.DISK_FULL: _REFUSED,
    Code.DISK_NEARLY_FULL: _THINNED,
    Code.BLOB_DISK_FAILING: _REFUSED,
    Code.INDEX_UNUSABLE: _REFUSED,
    Code.ROWS_DAMAGED: _REFUSED,
    Code.INDEX_DIFFERS: _REFUSED,
    Code.BLOBS_DAMAGED: _THINNED,
    Code.EVENTS_QUARANTINED: _UNTIDY,
    Code.AUTH_OPEN: _KNOWN,
    Code.NOBODY_ADMIN: _KNOWN,
    Code.SIGNING_KEY_MISSING: _HINDERED,
}
"""By itself; what it explains may make it worse (`order.ranked`)."""
