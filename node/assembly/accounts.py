"""How a node comes to know who may do what."""

from cluster import SystemClock
from cluster.errors import StorageFailure
from node import logs
from node.assembly.keyfile import KeyFile
from node.errors.startup import StartupError
from node.identity.ports import Authority
from node.identity.service import Identity, IdentityConfig
from node.index.index import Index
from node.registry.ports import Gate
from node.settings import Settings


def identity_of(
    settings: Settings, name: str, index: Index, gate: Gate, authority: Authority
) -> Identity:
    """
    The accounts that are in *index*, and the keys of this node.

    Raises:
        StartupError: its keys cannot be read.
    """
    config = IdentityConfig(
        node=name,
        cluster=settings.cluster,
        token_life_s=300.0,
        login_cutoff_s=3600.0,
        operator="",
    )
    keys, metadata = KeyFile(settings.data_dir), index.metadata
    log = logs.get_logger("identity")
    try:
        return Identity.over(metadata, metadata, metadata, gate, authority, keys, _now, log, config)
    except StorageFailure as exc:
        raise StartupError(str(exc)) from exc


def _now() -> float:
    return SystemClock().now_ms() / 1000
