"""JSON bodies."""

from typing import Final

import msgspec

from cluster.model import plain

_ENCODER: Final = msgspec.json.Encoder(enc_hook=plain)


def encode_json(body: object) -> bytes:
    """Encode *body*, our string types included."""
    return _ENCODER.encode(body)
