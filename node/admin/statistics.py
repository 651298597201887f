"""What the parts of a node tell about themselves, as `/metrics` sees it."""

from collections.abc import Sequence
from typing import Protocol


class StoreStatistics(Protocol):
    """What is stored on this node. Sizes in bytes."""

    @property
    def uploads_open(self) -> int: ...

    @property
    def blobs(self) -> int: ...

    @property
    def blob_bytes(self) -> int: ...

    @property
    def manifests(self) -> int: ...

    @property
    def quarantined(self) -> int:
        """Events that made no sense here and are kept aside."""
        ...

    @property
    def index_paused(self) -> int:
        """1 while the index takes no writes and tries again by itself, else 0."""
        ...

    @property
    def index_failed(self) -> int:
        """1 when the index takes no writes until a person helps, else 0."""
        ...

    @property
    def index_recoveries(self) -> int: ...

    @property
    def blobs_checked(self) -> int:
        """Files hashed since the start, to see whether they are right."""
        ...

    @property
    def blobs_damaged(self) -> int:
        """Copies found damaged since the start."""
        ...

    @property
    def blobs_restored(self) -> int: ...

    @property
    def blobs_not_restored(self) -> int: ...

    @property
    def blobs_set_aside(self) -> int:
        """Files in the quarantine."""
        ...

    @property
    def blobs_hidden(self) -> int: ...

    @property
    def disk_failures(self) -> int: ...


class ClusterStatistics(Protocol):
    """How this node stands with its peers."""

    @property
    def members_known(self) -> int:
        """Members of the cluster that this node has heard of, itself included."""
        ...

    @property
    def peers_connected(self) -> int: ...

    @property
    def events_unpushed(self) -> int:
        """Own events that the slowest connected peer does not have yet."""
        ...

    @property
    def blobs_fetching(self) -> int:
        """Blobs that are arriving from peers now."""
        ...

    @property
    def durability_degraded(self) -> int:
        """Acknowledgements since the start on fewer nodes than `copies`."""
        ...

    @property
    def copies_repaired(self) -> int:
        """Copies made in the background of blobs that had fewer than `copies`."""
        ...

    @property
    def health(self) -> int:
        """Local health score of the failure detector; 0 is good."""
        ...

    @property
    def suspicions(self) -> int: ...

    @property
    def refutations(self) -> int: ...

    @property
    def deaths(self) -> int: ...

    @property
    def stalls(self) -> int: ...

    @property
    def restore_rows_left(self) -> int:
        """Rows of a peer's checkpoint that this node still has to take over; 0 without one."""
        ...

    @property
    def restores(self) -> int: ...

    @property
    def checkpoint_rows_served(self) -> int: ...

    @property
    def events_trimmed(self) -> int: ...

    @property
    def index_damaged(self) -> int:
        """1 while rows of the index are not what was written, else 0."""
        ...

    @property
    def index_differing(self) -> int:
        """Members with the same events and other rows, when they were last compared."""
        ...

    @property
    def logs_standing(self) -> int:
        """Logs whose next event needs one that nobody who can be reached has sent."""
        ...

    @property
    def comparisons(self) -> int: ...

    @property
    def differences(self) -> int: ...

    @property
    def rows_checks(self) -> int: ...

    @property
    def settings_differing(self) -> int:
        """Members with other settings, of those that have to be the same."""
        ...

    @property
    def member_statuses(self) -> Sequence[tuple[str, str, str]]:
        """Node, region and status of every other member."""
        ...


class ConnectionStatistics(Protocol):
    """Connections of clients, and the limit on open files."""

    @property
    def connections_open(self) -> int: ...

    @property
    def connections_closed(self) -> int: ...

    @property
    def connections_refused(self) -> int: ...

    @property
    def descriptors(self) -> int: ...


class Health(Protocol):
    """Whether this node may take traffic; and writes, too."""

    @property
    def ready(self) -> bool: ...

    @property
    def writable(self) -> bool: ...
