"""Tuning of the replication engine."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Final, Self

KIB: Final = 1 << 10
MIB: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class MembershipConfig:
    """
    Failure-detector tuning for one kind of link. Durations are seconds.

    The defaults are for links inside a region; `wan` differs from them.
    """

    probe_interval_s: float = 1.0
    """Time between probes, each of one member. Lower finds failures sooner and costs more calls."""

    probe_timeout_s: float = 0.5
    """How long to wait for a direct answer before others are asked to try. Near the p99 round trip
    of a busy peer: lower asks helpers for nothing, higher lengthens every detection."""

    helpers: int = 3
    """Members asked to try when a probe fails. More see past more broken links; each is a call."""

    suspicion_min_s: float = 4.0
    """Time to contradict when as many nodes as are looked for confirm. Lower routes around the dead
    sooner; below a pause of garbage collection or disk it calls the living dead."""

    suspicion_max_s: float = 24.0
    """The same when nobody confirms. Higher forgives an accuser that is at fault itself; lower
    shortens waits for a member that only one node can see to be gone."""

    confirmations_max: int = 3
    """Confirmations that end the wait at its minimum. More demand more witnesses of a death."""

    @classmethod
    def wan(cls) -> Self:
        """For links between regions: slower, more patient."""
        return cls(
            probe_interval_s=5.0, probe_timeout_s=3.0, suspicion_min_s=24.0, suspicion_max_s=144.0
        )

    @property
    def helper_timeout_s(self) -> float:
        """How long a helper tries. A fifth of the asker's wait remains for its "no" to arrive."""
        return 0.8 * (self.probe_interval_s - self.probe_timeout_s)

    def __post_init__(self) -> None:
        for each in fields(self):
            if getattr(self, each.name) <= 0:
                raise ValueError(f"{each.name} must be positive")
        if self.probe_timeout_s >= self.probe_interval_s:
            raise ValueError("probe_timeout_s must leave time for helpers in probe_interval_s")
        if self.suspicion_min_s > self.suspicion_max_s:
            raise ValueError("suspicion_min_s must not exceed suspicion_max_s")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterConfig:
    """Durations are seconds, sizes bytes; `_max` bounds a queue, a table or a number of tasks."""

    cluster: str = "atoll"
    """Name of the cluster. Nodes of another name are refused at the first greeting."""

    seeds: tuple[str, ...] = ()
    """Addresses (host:port) to greet at start. One living member is enough to find all others."""

    settings: Mapping[str, str] = field(default_factory=dict)
    """Settings of the node that have to be the same on all, by name, as text: told in greetings and
    compared, so that people hear where they differ."""

    initial: tuple[str, ...] = ()
    """Names of the nodes that begin the cluster together, if it does not exist yet. Without any,
    this node waits to be taken into one that does, or for an operator's word."""

    open_joining: bool = False
    """Whether whoever joins is taken into the layout without an operator's word."""

    quiet_s: float = 10.0
    """How long an empty node has to hear of no cluster before it begins one, or lets others. Above
    the longest time for which a member of an existing cluster may not call."""

    copies: int = 2
    """Nodes that must durably have a blob or an event before it is acknowledged, this one
    included. More survive more failures at once; each one adds a transfer to every push, and the
    wait for one more disk."""

    refuse_degraded: bool = False
    """Whether a cluster of no more than `copies` members refuses writes while one is away. True
    never has an acknowledged write on too few disks; False keeps such a cluster writable. A larger
    cluster never writes on fewer: there others can take the place of the one that is away."""

    back_soon_s: float = 30.0
    """How long a member that stopped, and said that it would be back, is not looked for. Longer
    than a restart takes; what fails then is found that much later."""

    members_max: int = 256
    """Members kept in the table. When full, strangers are refused and hearsay is ignored: a peer
    that invents names cannot fill the memory. Every member costs one link and one heartbeat."""

    heartbeat_interval_s: float = 0.25
    """Time between greetings on a link in the region. Each renews a lease, so several must fit
    into `lease_s`; lower notices death and lag sooner. Each beat costs a round trip and a
    look through this node's vector, if that has grown."""

    heartbeat_remote_interval_s: float = 1.0
    """The same on a link to another region, but for who is in a quorum with this node: leases pass
    there as well."""

    lease_s: float = 0.8
    """How long a member may answer reads from its own index after it last asked whether it is
    current. Longer rides out more lost greetings without asking the peers; a write waits that much
    longer for a member that stopped."""

    relays: int = 2
    """Members of each other region that get this node's events directly and hand them on. Fewer
    send less over long links; more survive the loss of several at once."""

    clock_off_max_ms: float = 400.0
    """How far this node's wall clock may be from the median of its members before it refuses
    writes. Below the 500 ms at which the others refuse its events; lower takes a slow greeting
    for a wrong clock."""

    clock_sample_max_s: float = 30.0
    """Age beyond which a member's clock does not count. Longer remembers members that are gone;
    shorter judges by fewer. With none left this node's clock is held against its own past."""

    heartbeat_timeout_s: float = 1.0
    """How long one greeting may take. Below the worst round trip between regions it cuts healthy
    links; far above it a silent peer holds up acknowledgements for longer."""

    heartbeat_misses: int = 3
    """Unanswered greetings in a row after which the link is down. One would take every lost packet
    for a death; many leave pushes waiting for a dead peer. A refused connection counts at once."""

    dial_timeout_s: float = 3.0
    """How long the first greeting of a link may take, connection set-up included. Too low never
    connects over a slow link; too high delays the next attempt."""

    backoff_min_s: float = 0.1
    """Shortest pause before a link is opened again. Lower heals sooner after a restart."""

    backoff_max_s: float = 5.0
    """Longest pause. Higher spares a network that is down; lower finds a returning peer sooner.
    A greeting from the peer itself ends the pause early."""

    lan: MembershipConfig = field(default_factory=MembershipConfig)
    """How members of the own region are watched."""

    wan: MembershipConfig = field(default_factory=MembershipConfig.wan)
    """How members of other regions are watched."""

    health_max: int = 8
    """Highest local health score; a probe waits (score + 1) times as long for its answer. Higher
    makes a node that stalls accuse others even later, and slower to notice what is true."""

    lag_max_s: float = 0.2
    """Lateness of the event loop that counts as a sign of bad health. Lower reacts to hiccups;
    higher lets a stalled node accuse others of its own silence."""

    lag_check_s: float = 0.5
    """Longest time between two looks at the clock. Lower notices shorter stalls; each costs a
    wake-up of the process."""

    spread_interval_s: float = 0.2
    """Time between messages with nothing but news, while there is any. Lower spreads a death
    faster; higher leaves more of it to the probes that are sent anyway."""

    spread_fanout: int = 3
    """Members that get such a message. More spread in fewer rounds, and tell more who know."""

    retransmit_factor: int = 2
    """A rumour is told this often times log2(members + 1), rounded up. More survives more loss."""

    rumours_max: int = 256
    """Rumours waiting to be told. When full, the most told one is dropped and counted; exchanged
    tables bring it later."""

    rumours_per_message_max: int = 32
    """Rumours in one message that is not an exchange of tables; about 100 bytes each."""

    exchange_interval_s: float = 30.0
    """Time between comparisons of the whole member table with a random member. Lower repairs lost
    rumours sooner; each costs about 100 bytes per member."""

    left_keep_s: float = 86_400.0
    """How long a member that left is remembered. Lower forgets names sooner; below the longest
    partition, a node that was cut off then brings it back as one that died."""

    leave_timeout_s: float = 5.0
    """How long who leaves waits for each to note it, three times. Higher tells slow ones too."""

    antientropy_interval_s: float = 5.0
    """Time between comparisons with a random member that has more. Lower repairs missed pushes
    sooner and pulls more events that were on their way already."""

    laggard_s: float = 0.2
    """How far behind a member of the region may be and still get another lease; an acknowledgement
    that it lacks waits until its last one is over. Higher keeps every node of the region current
    more often; lower limits what one slow disk costs."""

    laggard_remote_s: float = 1.0
    """The same where a member of another region is the witness of a quorum. At least two round
    trips to it, or it grants nothing."""

    durable_timeout_s: float = 10.0
    """How long an acknowledgement waits for its copies at all. Higher rides out a stalled peer;
    lower tells the client sooner that nothing is acknowledged."""

    catch_up_timeout_s: float = 2.0
    """How long a look-up that misses may wait for what peers know. Higher finds more before giving
    up; lower answers 'try again' sooner."""

    join_timeout_s: float = 10.0
    """How long start-up waits for seeds. Higher avoids serving a stale index when a seed is slow;
    lower brings a node up sooner when a seed is dead. An empty node that reaches none waits on."""

    stall_timeout_s: float = 10.0
    """How long a stream may bring nothing before its source counts as dead. Lower changes to
    another source sooner; higher is patient with a disk or a link that hiccups."""

    guess_timeout_s: float = 1.0
    """The same for a member of the own region that has not said that it has the blob. Lower waits
    less for one that hangs; higher crosses a long link less often for what is next door."""

    gap_patience_s: float = 60.0
    """How long an event that needs one which nobody sends keeps a peer from counting as caught up.
    Shorter lets repair and newcomers go on sooner; below the time in which a peer that has it may
    come, the alarm is a false one."""

    push_batch_bytes: int = 2 * MIB
    """Events per message. Larger saves round trips while catching up; the memory for one batch is
    spent per link, and one message must stay under the transport's 16 MiB."""

    push_timeout_s: float = 3.0
    """How long a push may go unanswered, its size aside, before its events are handed over again.
    Higher sends less twice to a peer with a slow disk; lower loses less time to a lost call, in
    which each write of the region waits for a lease to end."""

    push_ahead_max: int = 32
    """Pushes on their way to a peer of another region before the next one waits for an answer;
    together they have at most `push_batch_bytes`. More fill a longer link."""

    push_ahead_pause_s: float = 0.01
    """Time between two of those. Lower shows a busy node's writes elsewhere that much sooner;
    higher puts more events into each message, which costs both ends less."""

    chunk_bytes: int = MIB
    """Blob bytes per read and per message. Larger costs fewer hops; smaller needs less memory per
    stream and gives a reader its first bytes sooner. The last chunk waits for verification."""

    hold_inline_max_bytes: int = 256 * KIB
    """Blobs up to this size travel inside the request to hold them. Larger saves the peer a round
    trip to fetch; it also sends bytes to peers that turn out to have them."""

    hold_timeout_s: float = 30.0
    """How long a peer may take to hold a blob at all, its size aside. Too low gives up work that
    was about to end; too high lets a push wait for peers that are all stuck."""

    hold_patience_s: float = 5.0
    """How long a peer may take to hold a blob, its size aside, before another one is asked as well;
    without another one it is asked again. Lower loses less time to a disk that hangs or a call that
    was lost; higher makes fewer copies beyond `copies` while peers are slow."""

    rate_min_bytes_s: int = 4 * MIB
    """Slowest transfer that is worth waiting for: size / rate is added to `hold_timeout_s`,
    `hold_patience_s` and `push_timeout_s`."""

    fetches_max: int = 16
    """Blobs fetched at the same time. When full, further ones wait. More fill a long link better;
    each costs a staging file and a chunk of memory per reader."""

    fetch_patience_s: float = 60.0
    """How long a fetch waits for one of `fetches_max` places, and a reader for a byte from any
    source. Longer finds more before giving up; shorter tells the client sooner to try again."""

    copies_timeout_s: float = 300.0
    """How long a manifest waits for the copies of its blobs, and one of these for one of
    `replications_max` places. Longer gives a large push over a slow link its time; shorter tells
    its client sooner to try again, which finds what was copied meanwhile."""

    replications_max: int = 16
    """Blobs being brought to other holders at the same time. When full, further ones wait. More
    hide round trips; each may read a whole blob from disk."""

    repair_interval_s: float = 600.0
    """Time between walks over the blobs held here, in search of those with too few copies; one
    more follows when a member has come. Lower repairs sooner what failed before; each reads the
    holder rows of all blobs that are here."""

    repair_pause_s: float = 10.0
    """Time from the coming of a member to such a walk. Lower makes its copies sooner; a link that
    comes and goes costs a walk that often."""

    replications_queue_max: int = 1024
    """Background replications that may wait. When full, new ones are dropped and counted: the
    manifest that names the blob asks for its copies again before it is acknowledged."""

    checkpoint_events: int = 10_000
    """Events that a node without any lacks before it takes over a state instead of them. Loading
    rows is faster than applying events; below this, the checkpoint costs its giver more."""

    checkpoints_max: int = 2
    """Checkpoints open for peers at once; others are told to wait. Each holds back the removal of
    old files, and costs the read of the whole index."""

    checkpoint_keep_s: float = 60.0
    """How long a checkpoint is kept for a reader that was cut off. Longer lets it go on after a
    longer break; the store keeps what was deleted meanwhile."""

    checkpoint_age_max_s: float = 3_600.0
    """How long a checkpoint may be read at all. Below the time that a large index takes over a slow
    link, its reader never gets to the end."""

    compare_interval_s: float = 60.0
    """Time between comparisons of this index's sums with those of a member that has the same
    events. Lower notices a difference sooner; each costs 6 KiB, and a sync at both."""

    check_rows_interval_s: float = 6 * 3_600.0
    """Time between checks of all rows against their sums. Lower notices sooner that a row was
    changed by something else than a change of the index; each reads the whole index."""

    check_rows_again_s: float = 600.0
    """Age up to which the result of such a check is good enough when a difference asks for one.
    Lower finds out sooner who is wrong; a difference that stays costs a check that often."""

    trim_interval_s: float = 60.0
    """Time between looks at what can be forgotten of the logs. Lower keeps them shorter."""

    log_settled_s: float = 3_600.0
    """How long an event is kept that every member has. Longer spares a node that is restored from
    an older copy of its directory the checkpoint; it costs the size of the manifests on disk."""

    log_away_s: float = 7 * 86_400.0
    """How long an event is kept for a member that is away. Longer spares it the checkpoint on
    return; shorter bounds the disk that its absence costs."""

    confirmed_max: int = 65536
    """Blobs whose confirmed holders are remembered until their records arrive; the oldest are
    forgotten first, which costs one extra question to the holder."""

    def __post_init__(self) -> None:
        """Refuse what could not work; `node.settings` reports to people before this is reached."""
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, int | float) and not isinstance(value, bool) and value <= 0:
                raise ValueError(f"{each.name} must be positive, not {value}")
        if self.heartbeat_interval_s * 2 > self.lease_s:
            raise ValueError("two greetings must fit into lease_s")
        if self.log_settled_s > self.log_away_s:
            raise ValueError("log_settled_s must not exceed log_away_s")
        if self.backoff_min_s > self.backoff_max_s:
            raise ValueError("backoff_min_s must not exceed backoff_max_s")
        if self.push_batch_bytes > 6 * MIB:
            raise ValueError("push_batch_bytes must leave room for a change in a message of 16 MiB")
