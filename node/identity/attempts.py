"""Log-ins, as whoever guesses meets them: each failure makes the next try wait."""

import asyncio
import hashlib
import secrets
from typing import Final, Protocol

from node.identity.errors import LoginDelayed
from node.identity.login import Account
from node.shares.lockout import Lockout

_MARK_BYTES: Final = 8


class LogsIn(Protocol):
    """Tells who somebody is (`node.identity.login`)."""

    async def log_in(self, name: str, password: str) -> Account | None:
        """See `Login.log_in`."""
        ...


class Attempts:
    """Logs in whoever may try now. Belongs to one event loop."""

    def __init__(self, login: LogsIn, lockout: Lockout | None = None) -> None:
        self._login = login
        self._lockout = lockout or Lockout()
        self._key = secrets.token_bytes(16)

    async def log_in(self, name: str, password: str, network: str) -> Account | None:
        """
        Who *name* is, if that is their password or one of their secrets; None: nobody. *network* is
        what counts as one client.

        Raises:
            LoginDelayed: that network has failed with that name, or with any, too often.
            AuthorityLost, TooManyLogins, NotCaughtUp, ClockOff: it is not known.
        """
        loop, lockout = asyncio.get_running_loop(), self._lockout
        mark = self._mark(password)
        if (wait_s := lockout.try_now(name, network, mark, loop.time())) > 0.0:
            raise LoginDelayed(wait_s)
        account = None
        decided = False
        try:
            account = await self._login.log_in(name, password)
            decided = True
        finally:
            if not decided:
                lockout.undecided(name, network)
        if account is None:
            lockout.failed(network, loop.time())
        else:
            lockout.succeeded(name, network)
        return account

    def _mark(self, password: str) -> bytes:
        secret = password.encode(errors="surrogatepass")
        return hashlib.blake2b(secret, key=self._key, digest_size=_MARK_BYTES).digest()
