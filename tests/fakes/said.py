"""What nodes say to each other, each thing with all that it can have: to see how it travels."""

from cluster.messages import (
    CompareReply,
    CompareRequest,
    Confirmation,
    Decisions,
    Difference,
    Greeting,
    ProbeReply,
    ProbeRequest,
    PushAnswer,
    Stage,
)
from cluster.model import (
    PROTOCOL,
    Digest,
    Disk,
    Dot,
    Event,
    Key,
    Member,
    NodeId,
    Origin,
    Region,
    Rumour,
    Run,
    Standing,
    Status,
    Vitals,
)
from cluster.objects.comparison import SUMS_BYTES

STAGE = Stage(3, 4)
ALICE = Member(NodeId("alice"), Region("eu"), "alice:1", "alice:2", 1 << 62)
BOB = Member(
    NodeId("bob"), Region("us"), "bob:1", "bob:2", 12, store="0123456789abcdef", zone="z1", weight=7
)
CAROL = Member(NodeId("carol"), Region("ap"), "[::1]:1", "carol:2", 13, ("one", "other"))
HAVE = {Origin("alice", 11): 3, Origin("bob", 12): 1 << 40}
EVENTS = [
    Event(
        Dot("alice", 11, n), n << 20, "add", Key("manifests", "lib/app", "tag"), bytes([n]), 3 - n
    )
    for n in range(1, 4)
]
CONFIRMATION = Confirmation(
    1 << 62,
    1 << 40,
    {Run(Disk(CAROL.node, "disk-3"), 1 << 62): 1 << 40, Run(Disk(BOB.node, "disk-2"), 12): 0},
    {Disk(ALICE.node, "0123456789abcdef"): 11, Disk(BOB.node, "disk-2"): 12},
)
PUSH_ANSWER = PushAnswer(HAVE, CONFIRMATION)
GREETING = Greeting("atoll", ALICE, (BOB, CAROL), HAVE, 1_700_000_000_000)
ANSWER = Greeting(
    "atoll",
    BOB,
    (ALICE, CAROL),
    {},
    1_700_000_000_050,
    current=True,
    began={Origin("bob", 3): 9},
    joined=True,
    protocol=PROTOCOL + 1,
    stage=STAGE,
    pulled=("0123456789abcdef", "disk-2"),
    continuous=True,
    decisions=Decisions(b"\x07" * 32, 1 << 40, 1 << 62),
    vitals=Vitals("0.1.0", 1 << 42, 1 << 41, 1 << 20, 1 << 40, "the disk is full", "no lease of b"),
    confirmation=CONFIRMATION,
    earlier={Origin("alice", 7): 12},
)
DIGEST = Digest.of(b"content")
SHA512 = Digest.of(b"content", "sha512")

RUMOURS = (
    Rumour(ALICE, Standing(Status.ALIVE, 11)),
    Rumour(BOB, Standing(Status.SUSPECT, 12, (NodeId("alice"), NodeId("carol")))),
    Rumour(CAROL, Standing(Status.LEFT, 1 << 62)),
)
PROBES = [
    ProbeRequest("atoll", ALICE.node),
    ProbeRequest("atoll", ALICE.node, BOB.node, RUMOURS, whole=True),
]
SUMS = bytes(range(256)) * (SUMS_BYTES // 256)
COMPARED = CompareRequest(ALICE.node, HAVE, SUMS, {0: 1, 255: 1 << 63}, 7, damaged=True)
FOUND = CompareReply(True, True, (Difference(0, 7), Difference(255, 1 << 40)))
REPLY = ProbeReply(BOB.node, True, RUMOURS)
