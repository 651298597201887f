"""
Upload sessions: how blobs come in.

A session's row in the index holds its repository and offset; its bytes are in a staging file of
the same name, so a session survives a restart. The offset moves at the end of a request: by the
whole chunk, or by what arrived of it when a PATCH was cut, so that the client goes on from there.
What a crash left behind the offset is dropped, and so is a chunk that is not what was announced.

A PUT or POST that ends an upload is whole or nothing. Clients repeat it as it was, without looking
how far the upload is: PUT may be repeated by HTTP (RFC 9110 §9.2.2), PATCH may not.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from cluster.errors import StorageFailure, StorageFull
from cluster.model import Digest, Dot
from cluster.ports import Log
from node.errors import (
    TooManyUploads,
    UploadBusy,
    UploadRangeInvalid,
    UploadUnknown,
)
from node.registry.chunk import CUT, Chunk, gather_bytes, pour, take_whole
from node.registry.names import RepositoryName
from node.registry.ports import (
    BlobCopies,
    Gate,
    MetadataWriter,
    SettingReader,
    StagedUpload,
    StagingArea,
    UploadReader,
)
from node.registry.upload_config import UploadConfig
from node.registry.upload_shares import check_bytes, make_room
from node.registry.usecase import WriteUseCase
from node.registry.values import AddBlob, DeleteUpload, PutUpload, UploadRecord
from node.shares.fairness import heaviest

_SMALL_BYTES: Final = 256 << 10
"""A blob up to this size that comes whole is stored in one step, without a staging file."""

_SWEEP_INTERVAL_S: Final = 60.0


@dataclass(slots=True)
class _Session:
    record: UploadRecord
    client: str = ""
    """The address that opened it; nobody's after a restart."""
    staged: StagedUpload | None = None
    busy: bool = False
    touched_at: float = 0.0
    receiving: Chunk | None = None
    """What is being read just now."""
    moves_to: int | None = None
    """Its offset once there is a row that says so; None while nothing has come."""
    cut: bool = False
    """Its staging has more than that, or a write to it is still on its way."""
    dropped: bool = False
    """It ends without a blob: whoever has claimed it drops its bytes and its row."""

    @property
    def bytes_held(self) -> int:
        """What it has staged."""
        return self.record.offset if self.staged is None else self.staged.offset

    @contextmanager
    def receives(self, chunk: Chunk) -> Iterator[None]:
        """*chunk* is being read: until it is whole, it can be given up."""
        self.receiving = chunk
        try:
            yield
        finally:
            self.receiving = None

    @contextmanager
    def dropped_on_failure(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.dropped = True
            raise


class Uploads(WriteUseCase):
    """Every upload session of this node."""

    def __init__(
        self,
        uploads: UploadReader,
        blobs: StagingArea,
        settings: SettingReader,
        writer: MetadataWriter,
        gate: Gate,
        copies: BlobCopies,
        config: UploadConfig,
        log: Log,
        now: Callable[[], float],
    ) -> None:
        """*now* gives seconds since the Unix epoch."""
        super().__init__(settings, writer, gate)
        self._copies = copies
        self._blobs = blobs
        self._config = config
        self._log = log
        self._now = now
        self._sessions = {record.id: _Session(record) for record in uploads.uploads()}

    @property
    def open_count(self) -> int:
        return len(self._sessions)

    async def start(self, repository: RepositoryName, client: str = "", owner: str = "") -> str:
        """
        Open a session for the address *client* and return its id. Only *owner* goes on with it.

        When the cap is reached, the session that nobody has touched for the longest time makes
        room, if that is at least `evict_idle_s`: crashed clients must not lock out living ones.
        Else the address that has the most gives up its newest one, which has got the least, if it
        has at least two more than *client*: nobody locks out the others, and where all have one
        address, as behind a load balancer, nobody is cut off.

        Raises:
            TooManyUploads: the cap is reached, and all sessions are in use.
            AccountUploadsFull, AccountBytesFull: so are all that *owner* may have.
        """
        self.check_writable(repository)
        session = await self._open(repository, client, owner)
        # It is in use until its client can hear of it: nobody takes it away before.
        async with self._in_use(session):
            with session.dropped_on_failure():
                await self._writer.note(PutUpload(session.record))
        return session.record.id

    def offset(self, repository: RepositoryName, upload_id: str, owner: str = "") -> int:
        """
        Bytes that the session has.

        Raises:
            UploadUnknown: no such session of *owner* in this repository.
        """
        return self._find(repository, upload_id, owner).record.offset

    async def append(
        self, repository: RepositoryName, upload_id: str, chunk: Chunk, owner: str = ""
    ) -> int:
        """
        Add a chunk and return the new offset.

        Raises:
            UploadUnknown, UploadBusy, UploadRangeInvalid, SizeInvalid, BlobTooLarge,
            AccountBytesFull, StorageFull: the session stays as it was.
            BodyIncomplete, BodyStalled: the session has what arrived before.
            StorageFailure: the session stays as it was, or is gone where even that cannot be.
        """
        async with self._claim(repository, upload_id, owner) as session:
            offset = await self._append(session, chunk, keeps_cut=True)
        return offset

    async def finish(
        self,
        repository: RepositoryName,
        upload_id: str,
        digest: Digest,
        chunk: Chunk,
        owner: str = "",
    ) -> Dot:
        """
        Add the last chunk, if any, and make the blob visible in the repository; returns the event
        that says so. It is durable here: who pushes a manifest waits for the rest.

        Raises:
            UploadUnknown, UploadBusy, UploadRangeInvalid, SizeInvalid, BlobTooLarge,
            AccountBytesFull, BodyIncomplete, BodyStalled: nothing was added, the session stays as
            it was.
            DigestMismatch: the content is not what *digest* says. The session is gone.
            StorageFull, StorageFailure: it could not be stored. The session may be gone.
            NotCaughtUp: this node has not joined its cluster. The session stays.
        """
        # What is stamped before by a clock that is wrong would hold up this node's log until the
        # time is right by it.
        await self._gate.ensure_joined()
        self.check_writable(repository)
        async with self._claim(repository, upload_id, owner) as session:
            return await self._finish(session, digest, chunk)

    async def put_whole(
        self,
        repository: RepositoryName,
        digest: Digest,
        chunk: Chunk,
        client: str = "",
        owner: str = "",
    ) -> Dot:
        """
        As `start` and `finish`, in one request; nothing stays of it on any failure.

        It takes a place, as every upload does: it may stage a whole blob.
        """
        await self._gate.ensure_joined()
        self.check_writable(repository)
        session = await self._open(repository, client, owner)
        async with self._in_use(session):
            with session.dropped_on_failure():
                return await self._finish(session, digest, chunk)

    async def cancel(self, repository: RepositoryName, upload_id: str, owner: str = "") -> None:
        """
        End a session and drop its bytes.

        Raises:
            UploadUnknown, UploadBusy: there is nothing to end, or not now.
        """
        async with self._claim(repository, upload_id, owner) as session:
            session.dropped = True

    async def run(self) -> None:
        """Drop expired sessions, for ever."""
        while True:
            try:
                dropped = await self.sweep()
            except (StorageFull, StorageFailure) as exc:
                # The disk may recover; requests meet the same failure and answer it themselves.
                self._log.warning("expired uploads not dropped", reason=str(exc))
            else:
                if dropped:
                    self._log.info("expired uploads dropped", count=dropped)
            await asyncio.sleep(_SWEEP_INTERVAL_S)

    async def sweep(self) -> int:
        """Drop the sessions that have expired and are not in use; returns how many."""
        deadline = self._now() - self._config.expiry_s
        expired = [each for each in self._sessions.values() if each.record.started_at <= deadline]
        dropped = 0
        for session in expired:
            # Asked only now: while the one before was dropped, a request may have claimed this one,
            # or ended it.
            if not session.busy and session.record.id in self._sessions:
                await self._forget(session)
                dropped += 1
        return dropped

    # --- places ------------------------------------------------------------------------------

    async def _open(self, repository: RepositoryName, client: str, owner: str) -> _Session:
        """
        A new session, in use by its caller; its row is not written.

        Raises:
            TooManyUploads, AccountUploadsFull, AccountBytesFull: see `start`.
        """
        self._check_bytes(owner, 1)
        evicted = self._own_place(owner) or self._make_room(client)
        # Before the first wait: else whoever comes meanwhile finds the place free.
        record = UploadRecord(str(uuid4()), repository, 0, self._now(), owner)
        session = _Session(record, client, busy=True, touched_at=self._now())
        self._sessions[record.id] = session
        if evicted is not None:
            try:
                await asyncio.shield(self._forget(evicted))
            except BaseException:
                del self._sessions[record.id]
                raise
        return session

    def _own_place(self, owner: str) -> _Session | None:
        """The same, from an account that has as many as it may."""
        most, idle_s = self._config.account_open_max, self._config.evict_idle_s
        own = make_room(owner, self._sessions.values(), most, self._now() - idle_s)
        return None if own is None else self._sessions.pop(own.record.id)

    def _check_bytes(self, owner: str, more: int) -> None:
        check_bytes(owner, self._sessions.values(), self._config.account_bytes_max, more)

    def _make_room(self, newcomer: str) -> _Session | None:
        """
        Take a place from somebody, if all are taken. Returns the session that had it, if its bytes
        are still to be dropped.
        """
        if len(self._sessions) < self._config.open_max:
            return None
        idle = [session for session in self._sessions.values() if not session.busy]
        oldest = min(idle, key=lambda session: session.touched_at, default=None)
        if oldest is not None and oldest.touched_at <= self._now() - self._config.evict_idle_s:
            return self._sessions.pop(oldest.record.id)
        counts = Counter(session.client for session in self._sessions.values())
        client = heaviest(counts, counts[newcomer])
        if client is not None:
            for session in reversed(self._sessions.values()):  # the newest first
                if session.client != client:
                    continue
                if not session.busy:
                    return self._sessions.pop(session.record.id)
                if self._give_up(session):
                    return None
        raise TooManyUploads(self._config.open_max)

    def _give_up(self, session: _Session) -> bool:
        """End the request that has claimed *session*, unless it cannot be: it is being stored."""
        if session.receiving is None or session.receiving.give_up is None:
            return False
        session.dropped = True
        del self._sessions[session.record.id]
        session.receiving.give_up(TooManyUploads(self._config.open_max))
        return True

    # --- inside a session --------------------------------------------------------------------

    def _find(self, repository: RepositoryName, upload_id: str, owner: str) -> _Session:
        session = self._sessions.get(upload_id)
        if session is None or (session.record.repository, session.record.owner) != (
            repository,
            owner,
        ):
            raise UploadUnknown(upload_id)
        return session

    @asynccontextmanager
    async def _claim(
        self, repository: RepositoryName, upload_id: str, owner: str
    ) -> AsyncIterator[_Session]:
        session = self._find(repository, upload_id, owner)
        if session.busy:
            raise UploadBusy
        session.busy = True
        async with self._in_use(session):
            yield session

    @asynccontextmanager
    async def _in_use(self, session: _Session) -> AsyncIterator[None]:
        """
        Let go of a session that was claimed, in the end: what stays of it has its row then, and
        nothing else is left. It is in use until that is done, even if its request is gone before.
        """
        try:
            yield
        finally:
            stays = session.staged is not None and session.record.id in self._sessions
            if stays or session.dropped:
                await asyncio.shield(self._let_go(session))
            else:
                self._release(session)

    async def _let_go(self, session: _Session) -> None:
        try:
            if session.dropped:
                await self._forget(session)
            else:
                await self._settle(session)
        finally:
            self._release(session)

    def _release(self, session: _Session) -> None:
        session.busy = False
        session.touched_at = self._now()

    async def _settle(self, session: _Session) -> None:
        """
        Have what is staged, the row and the offset say the same. The offset moves last.

        Raises:
            StorageFailure, StorageFull: it has not moved.
        """
        assert session.staged is not None
        before, cut = session.record, session.cut
        after = before if session.moves_to is None else before._replace(offset=session.moves_to)
        session.moves_to, session.cut = None, False
        if cut:
            # Also when all is kept: a write may still be on its way, and must not go behind this.
            await self._cut_back(session, after.offset)
        if after != before:
            try:
                await self._writer.note(PutUpload(after))
            except StorageFailure:
                await self._cut_back(session, before.offset)
                raise
            session.record = after
        # Its client may never come back, and others need the descriptor.
        await session.staged.rest()

    async def _cut_back(self, session: _Session, offset: int) -> None:
        """Drop what is staged behind *offset*; all of the session, if that cannot be."""
        assert session.staged is not None
        try:
            await session.staged.rollback(offset)
        except (StorageFull, StorageFailure):
            await self._forget(session)
            raise

    async def _finish(self, session: _Session, digest: Digest, chunk: Chunk) -> Dot:
        small = await self._take_small(session, chunk)
        if small is None:
            await self._append(session, chunk, keeps_cut=False)
        record = session.record
        with session.dropped_on_failure():
            size = await self._commit(session, digest, small)
            event = await self._writer.put(
                AddBlob(record.repository, digest, size, held=True, upload_id=record.id)
            )
        self._sessions.pop(record.id, None)
        if session.staged is not None:
            await session.staged.discard()
            session.staged.release()
        self._copies.replicate(digest, size)
        return event

    async def _append(self, session: _Session, chunk: Chunk, *, keeps_cut: bool) -> int:
        """Stage a chunk, or what comes of it; returns the offset that the session gets."""
        offset = session.record.offset
        if chunk.start is not None and chunk.start != offset:
            raise UploadRangeInvalid(offset)
        owner = session.record.owner
        self._check_bytes(owner, chunk.length or 0)

        def to_gather() -> int:
            self._check_bytes(owner, 0)
            return self._gather_bytes()

        staged = await self._staged(session)
        try:
            with session.receives(chunk):
                await pour(staged, chunk, self._config.blob_max_bytes, to_gather)
        except BaseException as exc:
            session.cut = True
            if keeps_cut and isinstance(exc, CUT):
                session.moves_to = staged.offset
            raise
        session.moves_to = staged.offset
        return staged.offset

    async def _staged(self, session: _Session) -> StagedUpload:
        if session.staged is None:
            record = session.record
            if record.offset:
                session.staged = await self._blobs.resume(record.id, record.offset)
                if session.staged is None:  # a power cut took bytes that were never synced
                    session.dropped = True
                    raise UploadUnknown(record.id)
            else:
                session.staged = await self._blobs.stage(record.id)
        return session.staged

    def _gather_bytes(self) -> int:
        return gather_bytes(len(self._sessions))

    async def _take_small(self, session: _Session, chunk: Chunk) -> bytes | None:
        """The whole blob, if it comes in this one request and is small; None otherwise."""
        if session.record.offset or chunk.length is None:
            return None
        if chunk.length > min(_SMALL_BYTES, self._gather_bytes()):
            return None
        if chunk.start:
            raise UploadRangeInvalid(0)
        with session.receives(chunk):
            return await take_whole(chunk, self._config.blob_max_bytes)

    async def _commit(self, session: _Session, digest: Digest, small: bytes | None) -> int:
        if small is not None:
            await self._blobs.put(digest, small)
            return len(small)
        assert session.staged is not None
        return await session.staged.commit(digest)

    async def _forget(self, session: _Session) -> None:
        self._sessions.pop(session.record.id, None)
        # The bytes first: on a full disk they are the room that the index needs for the rest.
        if session.staged is not None:
            try:
                await session.staged.discard()
            finally:
                session.staged.release()
        else:
            await self._blobs.discard_staged(session.record.id)
        await self._writer.note(DeleteUpload(session.record.id))
