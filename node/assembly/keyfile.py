"""The private keys of a node: a file of its data directory that nobody else may read."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from cluster.errors import StorageFailure
from node.disk.durable import write_durably
from node.identity.signatures import OwnKey

KEYS: Final = "signing-keys.json"


class KeyFile:
    """`KeyStore` in a data directory."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / KEYS

    def load(self) -> Sequence[OwnKey]:
        """
        The keys; none where there is no such file.

        Raises:
            StorageFailure: it cannot be read.
        """
        try:
            text = self._path.read_bytes()
        except FileNotFoundError:
            return []
        except OSError as exc:
            raise StorageFailure(f"cannot read {self._path}: {exc.strerror}") from exc
        try:
            return msgspec.json.decode(text, type=list[OwnKey])
        except msgspec.DecodeError as exc:
            raise StorageFailure(f"{self._path} holds no keys; remove it for new ones") from exc

    def save(self, keys: Sequence[OwnKey]) -> None:
        """
        Keep *keys*, and no others.

        Raises:
            StorageFailure: they cannot be written.
        """
        try:
            write_durably(self._path, msgspec.json.encode(list(keys)), private=True)
        except OSError as exc:
            raise StorageFailure(f"cannot write {self._path}: {exc.strerror}") from exc
