"""What can be configured: one frozen object, and what is known about each of its fields."""

from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from node.settings.kinds import (
    Address,
    BaseUrl,
    Directory,
    Endpoints,
    HostPort,
    Name,
    Names,
    Network,
    Networks,
    OneOf,
    Origins,
    Seconds,
    Whole,
)
from node.settings.origins import SettingOrigin
from node.settings.spec import SPEC, Spec, about, setting

DRAIN_S: Final = 5.0
"""How long a node serves on once told to stop, where somebody may be looking from outside."""

_JOIN_MAX: Final = 64
_INITIAL_MAX: Final = 64
_ORIGINS_MAX: Final = 64
_PROXIES_MAX: Final = 64
_DAY_S: Final = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be configured, parsed and valid. Sizes are bytes, durations seconds."""

    data_dir: Path = field(
        metadata=about(
            Directory(),
            "Directory that holds everything this node stores; created when it is missing.",
            why="There is no default: data must not land where nobody expects it.",
        )
    )
    http: Address = setting(
        Address("127.0.0.1", 5000),
        HostPort(),
        "Address on which the registry API listens.",
        why="5000 is where clients expect a registry; other machines reach it only when asked.",
    )
    rpc: Address = setting(
        Address("127.0.0.1", 6000),
        HostPort(),
        "Address on which this node listens for the other nodes of its cluster.",
        why="Other machines reach it only when asked.",
    )
    admin: Address = setting(
        Address("127.0.0.1", 7000),
        HostPort(any_port=True),
        "Address on which the admin API, `/metrics` and `/openapi.json` are served.",
        why="A loopback address, and no other: what is asked there runs the cluster. The "
        "commands find it by `--data-dir`.",
    )
    advertise_http: Address | None = setting(
        None,
        HostPort(),
        "Address of the registry API as others should use it.",
        why="The address it listens on; for all interfaces, the host of `advertise_rpc`.",
        shown_default="the address in `http`",
    )
    advertise_rpc: Address | None = setting(
        None,
        HostPort(),
        "Address at which the other nodes reach this one.",
        why="The address it listens on; must be given when that is every interface.",
        shown_default="the address in `rpc`",
    )
    ui: str = setting(
        "on",
        OneOf(("on", "off")),
        "Whether the registry's port serves the pages under `/ui`, too.",
        why="Developers look from elsewhere, behind a log-in; the address in `admin` has them too.",
    )
    auth: str = setting(
        "on",
        OneOf(("on", "open")),
        "Whether the registry is closed to strangers: `on`, or `open` to whoever reaches it.",
        why="With `on` everybody logs in, and the address in `http` serves what clients and load "
        "balancers need, the rest being in `admin` alone. With `open` it serves all, to anybody: "
        "for a machine of one's own. `--open` is short for `--auth open`.",
        shared=True,
    )
    open_to: str = setting(
        "loopback",
        OneOf(("loopback", "all")),
        "Who may be at the other end of what is open: this machine, or `all` that reach it.",
        why="With `auth = open` an address in `http` that other machines reach is refused "
        "unless this says `all` as well: it takes two words to give everything to everybody.",
    )
    trusted_proxies: tuple[Network, ...] = setting(
        (),
        Networks(most=_PROXIES_MAX),
        "Proxies in front of this node: what they say of their clients is believed.",
        why="Any client can send `X-Forwarded-For`. Without it all clients behind a proxy count as "
        "one; members of the cluster, which pass requests on, need not be named. Their "
        "`X-Forwarded-Proto` and `X-Forwarded-Host` say where clients send their passwords.",
    )
    address_rate: int = setting(
        0,
        Whole(0, 1_000_000_000),
        "Requests that one client address may send in a minute; 0 for no limit.",
        why="All clients behind a load balancer have one address, until `trusted_proxies` names "
        "it: first that, then this. Who is on the node's own machine is not counted.",
        unit="requests",
        shared=True,
    )
    account_rate: int = setting(
        120_000,
        Whole(0, 1_000_000_000),
        "Requests that one account may send in a minute, from wherever; 0 for no limit.",
        why="What a node serves in half a minute: one account must not take it from all others for "
        "long. The secret of a robot may be on a thousand machines, which pull in a burst.",
        unit="requests",
        shared=True,
    )
    anonymous_pulls: int = setting(
        0,
        Whole(0, 1_000_000_000),
        "Manifests that one address may pull in 6 h without an account; 0 for no limit.",
        why="What is public may be pulled by anybody: who pays for that sets a bound. HEAD is not "
        "counted, as at Docker Hub, and clients are told what is left.",
        unit="manifests",
        shared=True,
    )
    external_url: str | None = setting(
        None,
        BaseUrl(),
        "Where clients reach the registry, if that is another address than they ask for.",
        why="A client sends its password to the address that a challenge names, which is the one "
        "that it used. Behind a proxy that ends TLS and says nothing of it, name it here, or in "
        "`trusted_proxies` the proxy.",
        shown_default="what the client used",
    )
    token_life_s: float = setting(
        300.0,
        Seconds(60, 3600),
        "Life of a token that a client gets for its password.",
        why="A node that has not heard of a revocation lets a token in until it ends. Longer asks "
        "for fewer; clients get the next one by themselves.",
        unit="seconds",
        shared=True,
    )
    login_cutoff_s: float = setting(
        3600.0,
        Seconds(0, 30 * _DAY_S),
        "How long a node that is connected with no majority of the cluster's voters logs in; "
        "0: for ever.",
        why="Who was locked out on the other side of a partition is let in here until then: long "
        "enough to mend a link, short enough to be told to somebody who asks. Running tokens end "
        "by themselves; nobody gets a new one.",
        unit="seconds",
        shared=True,
    )
    cors_origins: tuple[str, ...] = setting(
        (),
        Origins(most=_ORIGINS_MAX),
        "Origins of web pages that may read and write through the browsers of their visitors.",
        why="Pages that users happen to see have no business in a private registry. Those of "
        "a listed origin may send credentials; with `*` those of any origin may do what needs "
        "none.",
    )
    region: str = setting(
        "local",
        Name(),
        "Region of this node: the nodes with cheap links to it have the same one.",
        why="A single node needs no name for its region.",
    )
    node: str | None = setting(
        None,
        Name(),
        "Name of this node, unique in its cluster and never given to another data directory.",
        why="Host names are unique where machines are managed, and people recognise them; a "
        "directory keeps its first name, as a container has another host name at each run. "
        "Any other name is refused.",
        shown_default="the name that `data_dir` has, and for a new one the host name",
    )
    cluster: str = setting(
        "atoll",
        Name(),
        "Name of the cluster; nodes of differently named clusters refuse each other.",
        why="One cluster per network is the common case.",
    )
    join: tuple[Address, ...] = setting(
        (),
        Endpoints(most=_JOIN_MAX),
        "RPC addresses of nodes to join; those of all nodes are fine, its own included.",
        why="A node that joins nobody is a cluster of one, and others may join it.",
    )
    initial: tuple[str, ...] = setting(
        (),
        Names(most=_INITIAL_MAX),
        "Names of the nodes that begin the cluster together, if there is none yet.",
        why="A cluster begins once, by somebody's word: a node whose disk was replaced, or "
        "that cannot reach the others, must not begin another one. The same list on all of "
        "them; nodes that come later need none.",
    )
    joining: str = setting(
        "closed",
        OneOf(("closed", "open")),
        "Whether a node that joins is added to the layout by itself.",
        why="Who is added gets copies of what is stored, and counts for what is acknowledged: "
        "`closed` leaves that to an operator (`atoll node add`).",
        shared=True,
    )
    quiet_s: float = setting(
        10.0,
        Seconds(0, 3600),
        "How long an empty node of `initial` listens for a cluster before it begins one.",
        why="Long enough to be called by a cluster that it belongs to, if its disk was "
        "replaced. Waited for once in the life of a cluster.",
        unit="seconds",
    )
    zone: str | None = setting(
        None,
        Name(),
        "What fails together with this node inside its region, a rack or a room, if known.",
        why="Copies of a blob go to different zones. It counts when the node is added; later "
        "the layout is changed.",
        shown_default="none",
    )
    weight: int = setting(
        100,
        Whole(1, 1_000_000),
        "Share of this node in the copies of its region, relative to that of the others.",
        why="Nodes with disks of one size need no weight; else the size in gigabytes will do. "
        "It counts when the node is added; later the layout is changed.",
        unit="shares",
    )
    copies: int = setting(
        2,
        Whole(1, 7),
        "Nodes that must hold a push durably before it is acknowledged.",
        why="Two survive the loss of any one node; each more costs disk and push latency.",
        unit="nodes",
        shared=True,
    )
    degraded_writes: str = setting(
        "accept",
        OneOf(("accept", "refuse")),
        "Whether a cluster of no more than `copies` members takes writes while one is away.",
        why="`accept` keeps it writable, and says so in the answer and the metrics; larger "
        "clusters wait, and then answer 503. With `refuse` a node that is connected with too "
        "few others for `copies` answers 503 at once, before anything is written, whatever the "
        "size of its cluster: one that has no other members takes no writes.",
        shared=True,
    )
    log_level: str = setting(
        "info",
        OneOf(("debug", "info", "warning", "error")),
        "Least severe log events to write.",
        why="One line per thing that happened; `debug` adds the steps in between.",
    )
    log_format: str = setting(
        "auto",
        OneOf(("auto", "json", "text")),
        "Form of the log on standard error.",
        why="`auto` is text on a terminal and JSON lines everywhere else.",
    )
    log_requests: str = setting(
        "changes",
        OneOf(("changes", "all")),
        "Which requests get a line in the log: changes and refusals, or all.",
        why="Pulls are thousands a second, and the metrics count them; a line for each costs "
        "more than its answer.",
    )
    manifest_max_bytes: int = setting(
        4 << 20,
        Whole(1 << 10, 8 << 20),
        "Largest manifest to accept.",
        why="What the distribution specification asks of every registry; more costs memory.",
        unit="bytes",
        shared=True,
    )
    upload_expiry_s: float = setting(
        _DAY_S,
        Seconds(60, 30 * _DAY_S),
        "Time after which an upload session that was not finished is removed.",
        why="Longer than the longest push; shorter frees the disk of broken ones sooner.",
        unit="seconds",
    )
    uploads_max: int = setting(
        1024,
        Whole(1, 1_000_000),
        "Uploads that may be under way on this node; one more is refused.",
        why="Hundreds of pushes at once; bounds the staged files a stranger can create.",
        unit="uploads",
    )
    account_uploads: int = setting(
        256,
        Whole(0, 1_000_000),
        "Uploads that one account may have under way on this node; 0 for no limit but the node's.",
        why="A quarter of `uploads_max`: a build farm with one robot pushes that much at once, and "
        "others still can.",
        unit="uploads",
    )
    account_upload_bytes: int = setting(
        0,
        Whole(0, 1 << 50),
        "Bytes that one account may have in unfinished uploads on this node; 0 for no limit.",
        why="How much disk there is for them, and how many share it, is for the operator to say.",
        unit="bytes",
    )
    connections_max: int = setting(
        10_000,
        Whole(16, 1_000_000),
        "Client connections at once; above, idle ones are closed, and if none is, 503.",
        why="A thousand machines keep a few each open. Fewer where the limit on open files is "
        "low: 512 are kept back, and each connection needs four.",
        unit="connections",
    )
    upload_max_bytes: int = setting(
        0,
        Whole(0, 1 << 50),
        "Largest blob to accept; 0 for no limit but the disk.",
        why="Model and data images reach hundreds of gigabytes.",
        unit="bytes",
        shared=True,
    )
    chunk_min_bytes: int = setting(
        0,
        Whole(0, 1 << 30),
        "Chunk size that `OCI-Chunk-Min-Length` asks of clients; 0 sends no such header.",
        why="Any chunk size works here; larger ones cost fewer requests.",
        unit="bytes",
    )
    disk_reserve_bytes: int = setting(
        64 << 20,
        Whole(0, 1 << 50),
        "Free bytes on the disk of the data directory below which pushes are refused (503).",
        why="The index, deletes and recovery go on in them; less lets pushes fill the disk.",
        unit="bytes",
    )
    index_memory_bytes: int = setting(
        256 << 20,
        Whole(64 << 20, 1 << 40),
        "Memory that the index may use: what it has read, and what it has not yet written out.",
        why="More saves reads of the disk where manifests are many; the process needs some "
        "hundred MiB beside it. A quarter is for what is not yet written out.",
        unit="bytes",
    )
    remembered_bytes: int = setting(
        64 << 20,
        Whole(0, 1 << 40),
        "Memory for answers that are given again without looking anything up; 0: none is.",
        why="What is pulled again and again, by tag or digest, is answered several times as fast. "
        "An answer takes its bytes, and half a KiB for each way in which it is asked for: by each "
        "caller, by each client.",
        unit="bytes",
    )
    join_timeout_s: float = setting(
        10.0,
        Seconds(0, 3600),
        "Longest wait for the nodes in `join` before `/readyz` says yes without them.",
        why="Long enough for nodes that start together; a dead node must not keep others down. "
        "An empty node waits on for one that serves or has images, or for all of them: it "
        "cannot know what its cluster has.",
        unit="seconds",
    )
    copies_timeout_s: float = setting(
        300.0,
        Seconds(1, _DAY_S),
        "Longest wait of a pushed manifest for the copies of its blobs on other nodes.",
        why="Copies begin with each blob, so most are there before the manifest comes. Beyond "
        "it the answer is 503 and nothing has changed; copies go on being made, and the same "
        "push again goes on from there. More is for large images over slow links.",
        unit="seconds",
    )
    body_timeout_s: float = setting(
        60.0,
        Seconds(1, 3600),
        "Longest pause in a request body before the connection is closed.",
        why="Above the stalls of poor links; lower frees the slots of dead clients sooner.",
        unit="seconds",
    )
    shutdown_drain_s: float | None = setting(
        None,
        Seconds(0, 600),
        "Time from SIGTERM until the port closes: the node serves on, and `/readyz` says 503.",
        why="Longer than load balancers need to notice, or they send requests to a closed "
        "port. It is skipped by a node that was not ready yet, and a second signal ends it.",
        unit="seconds",
        shown_default="`5`; `0` where `http` is a loopback address",
    )
    shutdown_grace_s: float = setting(
        10.0,
        Seconds(0, 600),
        "Time that requests in flight get to finish once the port is closed.",
        why="With `shutdown_drain_s` below the time after which orchestrators kill: 30 s, but "
        "10 s by `docker stop`. 0 cuts them at once, and so does a second signal.",
        unit="seconds",
    )
    blob_threads: int = setting(
        8,
        Whole(1, 128),
        "Threads that hash, write, sync and send blobs.",
        why="They mostly wait for the disk; more help fast disks and use more memory.",
        unit="threads",
    )

    blob_verify_interval_s: float = setting(
        6 * 3600.0,
        Seconds(0, 365 * _DAY_S),
        "How long a blob's file is served after it was hashed, without being hashed again.",
        why="Rot is found by the first read after that time. Hashing a terabyte takes some ten "
        "minutes of one processor core. 0 hashes at every read: nothing rotten is ever served, "
        "and large blobs come at half the speed, parts of them only when the whole is read.",
        unit="seconds",
    )

    origins: Mapping[str, SettingOrigin] = field(default_factory=dict, compare=False, repr=False)
    """No setting: where each came from that is not as by default, as far as sources were read."""

    @property
    def is_open(self) -> bool:
        """Whether anybody may do anything, at the address in *http* too."""
        return self.auth == "open"

    @property
    def http_advertised(self) -> Address:
        """Where others reach the registry API; never a wildcard once loaded."""
        if self.advertise_http is not None:
            return self.advertise_http
        if self.http.is_wildcard:
            return Address(self.rpc_advertised.host, self.http.port)
        return self.http

    @property
    def rpc_advertised(self) -> Address:
        """Where the other nodes reach this one; never a wildcard once loaded."""
        return self.rpc if self.advertise_rpc is None else self.advertise_rpc

    @property
    def shared(self) -> dict[str, str]:
        """The settings that have to be the same on every node, as text."""
        return {name: str(getattr(self, name)) for name in NAMES if spec_of(name).shared}

    @property
    def drain_s(self) -> float:
        """How long to serve on once told to stop."""
        if self.shutdown_drain_s is not None:
            return self.shutdown_drain_s
        return 0.0 if self.http.is_loopback else DRAIN_S

    @property
    def stop_s(self) -> float:
        """How long stopping may take, as far as it is for clients."""
        return self.drain_s + self.shutdown_grace_s

    @property
    def seeds(self) -> tuple[Address, ...]:
        """The addresses in *join* without this node's own, so that all can share one list."""
        own = (self.rpc, self.rpc_advertised)
        return tuple(address for address in self.join if address not in own)


_FIELDS: Final[dict[str, Field[Any]]] = {
    each.name: each for each in fields(Settings) if SPEC in each.metadata
}

NAMES: Final = tuple(_FIELDS)
"""Every setting, in the order of the documentation."""


def spec_of(name: str) -> Spec:
    """The documentation and kind of the setting *name*."""
    spec = _FIELDS[name].metadata[SPEC]
    assert isinstance(spec, Spec)
    return spec


def is_required(name: str) -> bool:
    """Whether the setting *name* has no default."""
    each = _FIELDS[name]
    return each.default is MISSING and each.default_factory is MISSING


def default_of(name: str) -> object:
    """The default of the setting *name*; None for a required one."""
    each = _FIELDS[name]
    if each.default_factory is not MISSING:
        return each.default_factory()
    return None if is_required(name) else each.default
