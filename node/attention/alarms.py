"""
How long what needs attention has to last before somebody is called, and why so long.

What is wrong, and how bad that is, is judged by the rules alone: an alarm is a code, the severity
that the metric `atoll_attention` has it under, and a duration. Beside those there are two alarms
for what no node can say of itself. docs/monitoring/alerts.yml is made of this (`atoll alerts`).
"""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from node.attention.codes import GRADES, Code, Severity


class Patience(NamedTuple):
    """How long something has to last."""

    seconds: int
    why: str


AT_ONCE: Final = Patience(0, "it does not go away by itself, and a node says so only when sure")
FELT: Final = Patience(60, "clients feel it now: two scrapes, so that one slip calls nobody")
OUTLASTS: Final = Patience(
    120, "reads that were answered so are told of for 30 s: it has to go on, and not to have been"
)
RESTART: Final = Patience(300, "a restart, an upgrade or a reboot is over by then")
CATCHES_UP: Final = Patience(900, "it ends by itself while nodes catch up; this long, it does not")
COUNTED: Final = Patience(
    1800, "it is counted each ten minutes, and mended meanwhile: three counts have found it"
)
TIDY: Final = Patience(3600, "nobody is hurt, and a change on all nodes in turn takes a while")

_WAITED: Final[Mapping[Code, tuple[Patience, str]]] = {
    Code.NO_LAYOUT: (RESTART, "A node knows of no layout, and takes no clients"),
    Code.VOTERS_LOST: (
        RESTART,
        "A node is cut off from most voters: the layout cannot be changed there",
    ),
    Code.CHANGE_STALLED: (CATCHES_UP, "A change of the layout stalled"),
    Code.LAYOUT_UNMET: (
        CATCHES_UP,
        "The layout asks for more copies, or regions, than its stores can give",
    ),
    Code.NODE_DEAD: (RESTART, "A node is dead"),
    Code.NODE_UNHEARD: (RESTART, "A member of the layout was never heard of"),
    Code.NODE_SUSPECT: (RESTART, "A node cannot be reached, again and again"),
    Code.NODE_STOPPED: (RESTART, "A node that stopped is not back"),
    Code.NODE_UNLINKED: (RESTART, "A node is alive, and another one has no link to it"),
    Code.NODE_LEFT: (CATCHES_UP, "A node left for good, and is still in the layout"),
    Code.NODE_OUTSIDE: (TIDY, "A node is there that is no member"),
    Code.DISK_REPLACED: (RESTART, "A member has another disk than the layout says"),
    Code.NODE_JOINING: (CATCHES_UP, "A node does not get to join"),
    Code.NODE_RESTORING: (CATCHES_UP, "A node does not get to take over the index of another one"),
    Code.NODE_STOPPING: (RESTART, "A node does not get to stop"),
    Code.NODE_TROUBLE: (RESTART, "A node has a trouble that others have no word for"),
    Code.NODE_DRAINING: (COUNTED, "A node drains, and blobs are short of copies"),
    Code.SETTINGS_DIFFER: (TIDY, "Settings that have to be the same differ between nodes"),
    Code.WRITES_REFUSED: (FELT, "A node takes no pushes"),
    Code.READS_REFUSED: (FELT, "A node refuses requests, not knowing whether it has the latest"),
    Code.READS_UNCONFIRMED: (OUTLASTS, "A node serves tags that may not be the latest"),
    Code.READS_UNCOVERED: (RESTART, "A node asks its region before each read"),
    Code.CLOCK_OFF: (FELT, "The clock of a node is wrong, and it takes no writes"),
    Code.REGION_BEHIND: (CATCHES_UP, "A region is behind by a thousand events or more"),
    Code.NODE_BEHIND: (CATCHES_UP, "A node is behind by a thousand events or more"),
    Code.LOG_STANDS: (FELT, "A node waits for an event that nobody has who can be reached"),
    Code.LOGS_MANY: (TIDY, "Logs of ended runs are not retired, and greetings grow"),
    Code.BLOBS_GONE: (FELT, "Blobs that repositories have are on nobody who is there"),
    Code.COPIES_SHORT: (COUNTED, "Blobs have too few copies"),
    Code.UNCOUNTED: (TIDY, "A node cannot tell how copies, or conflicts, are"),
    Code.TAG_CONFLICTS: (AT_ONCE, "Tags were pushed at the same time in two places"),
    Code.DISK_FULL: (FELT, "The disk of a node is full, and it takes no pushes"),
    Code.DISK_NEARLY_FULL: (CATCHES_UP, "The disk of a node is nearly full"),
    Code.BLOB_DISK_FAILING: (FELT, "The disk of the blobs of a node fails"),
    Code.INDEX_UNUSABLE: (FELT, "The index of a node cannot be used"),
    Code.ROWS_DAMAGED: (AT_ONCE, "Rows of the index of a node are not what was written"),
    Code.INDEX_DIFFERS: (AT_ONCE, "Two nodes have the same events, and other rows"),
    Code.BLOBS_DAMAGED: (AT_ONCE, "Copies of blobs on the disk of a node were found damaged"),
    Code.EVENTS_QUARANTINED: (AT_ONCE, "A node keeps events aside that make no sense to it"),
    Code.SIGNING_KEY_MISSING: (
        RESTART,
        "A node has no key to sign tokens with that the others know",
    ),
}
"""By what each is when nothing worse comes of it. A notice is no alarm; draining may leave copies
short, and then it is more than that. Log-ins are refused by who has lost the voters, and told of
under that."""

_BEARS: Final[Mapping[Severity, tuple[Code, ...]]] = {
    Severity.CRITICAL: (
        Code.VOTERS_LOST,
        Code.NODE_DEAD,
        Code.NODE_UNHEARD,
        Code.NODE_SUSPECT,
        Code.NODE_STOPPED,
        Code.NODE_UNLINKED,
        Code.NODE_LEFT,
        Code.DISK_REPLACED,
        Code.NODE_JOINING,
        Code.NODE_RESTORING,
        Code.NODE_STOPPING,
    ),
    Severity.WARNING: (Code.NODE_DRAINING,),
}
"""What is so bad, other than by itself, when it explains something that is."""


class Alarm(NamedTuple):
    """Somebody is to be called."""

    name: str
    """That of its runbook in one word, as Prometheus wants it."""

    severity: Severity
    patience: Patience
    text: str
    """What is so, in a line."""

    runbook: str
    """Its page in docs/runbooks, without the ending."""

    code: Code | None = None
    """None: no node says so, and whoever watches finds it."""


NOBODY_SCRAPED: Final = Alarm(
    "AtollNobodyScraped",
    Severity.CRITICAL,
    RESTART,
    "No node of Atoll can be scraped: nothing else would be told",
    "nobody-scraped",
)
NOT_SCRAPED: Final = Alarm(
    "AtollNotScraped",
    Severity.WARNING,
    RESTART,
    "A node of Atoll cannot be scraped: what it alone sees is told by nobody",
    "not-scraped",
)


def alarms() -> Iterator[Alarm]:
    """All of them: those of the rules in the order of codes."""
    yield NOBODY_SCRAPED
    yield NOT_SCRAPED
    for code, (patience, text) in _WAITED.items():
        own = GRADES[code].severity
        name = "Atoll" + "".join(word.capitalize() for word in code.split("-"))
        for severity in (*(worse for worse, codes in _BEARS.items() if code in codes), own):
            if severity is Severity.NOTICE:
                continue
            # What clients feel now is not waited for, whatever causes it.
            borne = severity is Severity.CRITICAL and severity is not own
            yield Alarm(name, severity, FELT if borne else patience, text, str(code), code)
