"""How a node comes to know who may do what, and who it lets in."""

import secrets
import sys

from cluster import SystemClock
from cluster.errors import StorageFailure
from node import logs
from node.assembly.keyfile import KeyFile
from node.disk import datadir
from node.errors.startup import StartupError
from node.http.guard import Doorkeeper, Guard, OpenDoor
from node.http.public_url import PublicUrl
from node.identity.ports import Authority
from node.identity.service import Identity, IdentityConfig
from node.index.index import Index
from node.registry.ports import Gate
from node.settings import Settings


def identity_of(
    settings: Settings, name: str, index: Index, gate: Gate, authority: Authority
) -> Identity:
    """
    The accounts that are in *index*, the keys of this node, and a secret for who may read its
    directory.

    Raises:
        StartupError: the keys cannot be read, or the secret not written.
    """
    metadata, log = index.metadata, logs.get_logger("identity")
    config = IdentityConfig(
        node=name,
        cluster=settings.cluster,
        token_life_s=settings.token_life_s,
        login_cutoff_s=settings.login_cutoff_s,
        operator="" if settings.is_open else secrets.token_urlsafe(32),
    )
    keys = KeyFile(settings.data_dir)
    try:
        identity = Identity.over(
            metadata, metadata, metadata, gate, authority, keys, _now, log, config
        )
    except StorageFailure as exc:
        raise StartupError(str(exc)) from exc
    if config.operator:
        datadir.write_operator(settings.data_dir, config.operator)
    return identity


def guard_of(settings: Settings, identity: Identity) -> Guard:
    """Who stands at the doors of the node."""
    return OpenDoor() if settings.is_open else Doorkeeper(identity, public_url_of(settings), _now)


def public_url_of(settings: Settings) -> PublicUrl:
    """Where clients reach the node."""
    return PublicUrl(settings.external_url or "", settings.trusted_proxies)


def tell_who_may_begin(settings: Settings, identity: Identity) -> None:
    """Say how the first admin is made, where nobody is one: the secret on a terminal, in no log."""
    if identity.authorizer.has_admin():
        return
    path = datadir.operator_path(settings.data_dir)
    identity.log.warning("nobody is admin yet; see docs/security.md", secret_in=str(path))
    if sys.stderr.isatty():
        secret = datadir.operator_secret(settings.data_dir)
        sys.stderr.write(
            "Nobody is admin yet; who may read the data directory makes one: "
            f"atoll admin init NAME --data-dir {settings.data_dir}\n"
            f"Until then, log in as `operator` with: {secret}\n"
        )


def _now() -> float:
    return SystemClock().now_ms() / 1000
