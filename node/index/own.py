"""The blobs that are here, in memory: "is it here" needs no disk."""

from cluster.model import Digest


class OwnBlobs:
    """
    What the rows of one role say, as far as they speak of this node's present disk.

    The writer thread changes it, anyone reads it: each is one step of a dictionary.
    """

    def __init__(self) -> None:
        self._sizes: dict[bytes, int] = {}
        """By the digest's bytes, whose number tells sha256 from sha512: half of its text."""
        self.bytes = 0
        """Of all of them together."""

    def __len__(self) -> int:
        return len(self._sizes)

    def size(self, digest: Digest) -> int | None:
        """The blob's size in bytes; None when it is not here."""
        return self._sizes.get(_key(digest))

    def note(self, digest: Digest, size: int | None) -> None:
        """The blob is here; or it is not, with None."""
        key = _key(digest)
        self.bytes += (size or 0) - self._sizes.pop(key, 0)
        if size is not None:
            self._sizes[key] = size


def _key(digest: Digest) -> bytes:
    return bytes.fromhex(digest.encoded)
