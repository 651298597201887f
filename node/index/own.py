"""The blobs that this node holds, in memory: "is it here" needs no disk."""

from cluster.model import Digest
from node.index.rows import HolderRow


class OwnBlobs:
    """
    What this node's own rows say, as far as they speak of its present disk.

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

    def note(self, digest: Digest, row: HolderRow, stands: bool) -> None:
        """
        Keep what this node says of a blob in *row*.

        One that does not *stand* came back from peers and speaks of an earlier disk: it brings no
        blob here, and takes none away that is.
        """
        key = _key(digest)
        if not row.held:
            self.bytes -= self._sizes.pop(key, 0)
        elif stands or key in self._sizes:
            self.bytes += row.size - self._sizes.get(key, 0)
            self._sizes[key] = row.size


def _key(digest: Digest) -> bytes:
    return bytes.fromhex(digest.encoded)
