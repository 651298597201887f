"""
Passwords: argon2id, off the event loop, few at once.

One check takes a tenth of a second and 64 MiB on purpose, so a crowd of them must not take all of
the machine's memory, nor the threads of anybody else.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from node.identity.errors import SecurityDocumentInvalid, TooManyLogins

T = TypeVar("T")

AT_ONCE: Final = 2
"""Hashes computed at once: 128 MiB, and two of the machine's cores at most."""

WAITING_MAX: Final = 64
"""Those that wait for one: some three seconds. More would time out at the client anyway."""

PASSWORD_MIN: Final = 12
PASSWORD_MAX: Final = 256
"""Characters of a password."""


def check_password(password: str) -> None:
    """
    Return if it may be somebody's.

    Raises:
        SecurityDocumentInvalid: it is too short, or too long.
    """
    if not PASSWORD_MIN <= len(password) <= PASSWORD_MAX:
        raise SecurityDocumentInvalid(f"passwords have {PASSWORD_MIN} to {PASSWORD_MAX} characters")


class Passwords:
    """Hashes and checks passwords. Belongs to one event loop."""

    def __init__(
        self,
        at_once: int = AT_ONCE,
        waiting_max: int = WAITING_MAX,
        hasher: PasswordHasher | None = None,
    ) -> None:
        # argon2id, by the second recommendation of RFC 9106
        self._hasher = hasher or PasswordHasher()
        self._nobodys = ""
        """A hash to check against where there is none: the answer takes as long as with one."""
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix="password")
        self._at_once = at_once
        self._running_max = at_once + waiting_max
        self._running = 0

    @property
    def waiting(self) -> int:
        """Those that wait for their turn."""
        return max(0, self._running - self._at_once)

    async def hash(self, password: str) -> str:
        """
        What is stored of *password*.

        Raises:
            TooManyLogins: too many wait already.
        """
        return await self._run(partial(self._hasher.hash, password))

    async def verify(self, stored: str, password: str) -> bool:
        """
        Whether *password* is the one with that hash; as long with none at all.

        Raises:
            TooManyLogins: too many wait already.
        """
        right = await self._run(partial(self._verify, stored, password[:PASSWORD_MAX]))
        return right and bool(stored) and len(password) <= PASSWORD_MAX

    async def _run(self, work: Callable[[], T]) -> T:
        if self._running >= self._running_max:
            raise TooManyLogins(self._running_max)
        self._running += 1
        # To its end even where the client is gone: a thread cannot be called back, and what it
        # takes counts until then.
        return await asyncio.shield(self._in_thread(work))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._running -= 1

    def _verify(self, stored: str, password: str) -> bool:
        if not stored and not self._nobodys:
            self._nobodys = self._hasher.hash("")
        try:
            return self._hasher.verify(stored or self._nobodys, password)
        except (VerificationError, InvalidHashError):
            return False

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)
