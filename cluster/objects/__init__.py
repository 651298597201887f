"""
The algebra of objects: what an event says, and how replicas that applied the same events agree.

Pure, and on frozen values: no clock, no store, no wire. The engine passes events on; who keeps an
index applies them by these rules.
"""

from cluster.objects import claims, merge
from cluster.objects.comparison import COUNT_BYTES, HASH_BYTES, PARTITIONS
from cluster.objects.events import (
    Add,
    Body,
    Hold,
    Remove,
    Write,
    asked_by,
    builds_on,
    changes,
    decode_body,
    decode_event,
    encode_body,
    encode_event,
    in_causal_order,
    kind_of,
)
from cluster.objects.merge import Deletion, Live, Presence, Register, Version, Written

__all__ = [
    "COUNT_BYTES",
    "HASH_BYTES",
    "PARTITIONS",
    "Add",
    "Body",
    "Deletion",
    "Hold",
    "Live",
    "Presence",
    "Register",
    "Remove",
    "Version",
    "Write",
    "Written",
    "asked_by",
    "builds_on",
    "changes",
    "claims",
    "decode_body",
    "decode_event",
    "encode_body",
    "encode_event",
    "in_causal_order",
    "kind_of",
    "merge",
]
