"""Who somebody is and what they may do, joined: what the edge, a test and a tool work with."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

from cluster.errors import ClusterError, StorageFailure
from cluster.ports import Log
from node.errors import RegistryError
from node.identity.accounts import Accounts
from node.identity.actions import Action
from node.identity.attempts import Attempts
from node.identity.authorizer import Authorizer
from node.identity.decisions import STRANGER, Decision
from node.identity.directory import SecurityDirectory
from node.identity.login import Login
from node.identity.passwords import Passwords
from node.identity.ports import Authority, SecurityStore
from node.identity.sessions import Sessions
from node.identity.signatures import KeyStore, Signer
from node.identity.tokens import REFRESH_S, Tokens
from node.registry.names import RepositoryName
from node.registry.ports import Gate, MetadataWriter, SettingReader

_LOOK_S: Final = 60.0
"""Seconds between two looks at which keys are due."""

_RETRY_S: Final = 2.0
"""The same while one could not be published."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityConfig:
    """What an operator decides, and who this node is."""

    node: str
    cluster: str
    token_life_s: float
    login_cutoff_s: float
    operator: str
    """The secret of who may read the data directory; empty: there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """All that is known of who may do what. One per node; belongs to its event loop."""

    directory: SecurityDirectory
    authorizer: Authorizer
    login: Login
    attempts: Attempts
    tokens: Tokens
    sessions: Sessions
    accounts: Accounts
    signer: Signer
    passwords: Passwords
    log: Log

    @classmethod
    def over(
        cls,
        store: SecurityStore,
        settings: SettingReader,
        writer: MetadataWriter,
        gate: Gate,
        authority: Authority,
        keys: KeyStore,
        now: Callable[[], float],
        log: Log,
        config: IdentityConfig,
        passwords: Passwords | None = None,
    ) -> Self:
        """
        Join the parts over the ports. *now* gives seconds since the Unix epoch.

        Raises:
            StorageFailure: the keys of this node cannot be read.
        """
        directory, passwords = SecurityDirectory(store), passwords or Passwords()
        authorizer = Authorizer(directory, now)
        login = Login(
            directory,
            passwords,
            gate,
            authority,
            now,
            cutoff_s=config.login_cutoff_s,
            operator=config.operator,
        )
        longest_s = max(REFRESH_S, config.token_life_s)
        signer = Signer(
            config.node, config.cluster, keys, directory.get_key, now, longest_s=longest_s
        )
        accounts = Accounts(directory, store, settings, writer, gate, passwords, now)
        return cls(
            directory=directory,
            authorizer=authorizer,
            login=login,
            attempts=Attempts(login),
            tokens=Tokens(
                signer, login, authorizer, directory, gate, now, life_s=config.token_life_s
            ),
            sessions=Sessions(signer, login, directory, accounts, gate, now),
            accounts=accounts,
            signer=signer,
            passwords=passwords,
            log=log,
        )

    def explain(self, name: str, action: Action, where: str) -> Decision:
        """
        Whether *name*, a user or a robot, may do *action* in the repository or project *where*, and
        by what; an empty *name* is a stranger.

        Raises:
            NameInvalid: *where* cannot be one.
        """
        if where:
            RepositoryName.parse(where)
        subject = self.login.named(name) if name else STRANGER
        if subject is None:
            return Decision(False, f"{name!r} cannot log in: unknown, disabled or expired")
        return self.authorizer.decide(subject, action, where)

    async def ensure_key(self) -> None:
        """
        Return once there is a key to sign with that the others know, or hear of soon.

        Raises:
            NotEnoughNodes, NotCaughtUp, ClockOff, OutcomeUnknown, StorageFailure: there is none.
        """
        for key in self.signer.due():
            try:
                await self.accounts.publish(key)
            except (RegistryError, ClusterError):
                if not self.signer.can_sign:
                    raise

    async def run(self) -> None:
        """Publish and renew this node's keys, for ever."""
        while True:
            pause_s = _LOOK_S
            try:
                await self.ensure_key()
            except (RegistryError, ClusterError, StorageFailure) as exc:
                pause_s = _RETRY_S
                self.log.debug("no key to sign with yet", reason=str(exc))
            await asyncio.sleep(pause_s)
