"""
The registry's domain errors. They know nothing of HTTP; `node.http.errors` translates them,
and the few cluster errors that reach a client (`cluster.errors`).

    RegistryError
    ├── NameInvalid             not a repository name
    ├── NameUnknown             no such repository
    ├── TagInvalid              not a tag
    ├── DigestInvalid           not a digest, or not of the algorithms we store
    ├── ManifestUnknown         no such tag or manifest in this repository
    ├── ManifestInvalid         the body is not a manifest we can accept
    ├── ManifestTooLarge        over the cap
    ├── ManifestBlobUnknown     names content that the repository does not have
    ├── ManifestDigestMismatch  the body does not hash to the digest in the URL
    ├── BlobNotFound            no such blob in this repository
    ├── SizeInvalid             more or fewer bytes than were announced
    ├── BlobTooLarge            over the cap
    ├── UploadUnknown           no such upload session in this repository
    ├── UploadRangeInvalid      a chunk that does not start where the last one ended
    ├── UploadBusy              another request is writing to the session
    ├── UploadOwnerSilent       the node that has the session does not answer
    ├── RangeNotSatisfiable     a byte range outside the blob
    ├── TooManyRanges           more byte ranges than one request may have
    ├── PaginationInvalid       `n` or `last` make no sense
    ├── QueryInvalid            another query parameter makes no sense
    ├── RequestMalformed        not HTTP as we know it
    ├── HeadersTooLarge         more header fields, or larger ones, than a request may have
    ├── UriTooLong              a target above its cap
    ├── HttpVersionUnknown      neither HTTP/1.1 nor 1.0
    ├── TransferCodingUnknown   a transfer coding that is not `chunked`
    ├── RouteUnknown            no such endpoint
    ├── MethodNotAllowed        the endpoint has other methods
    ├── NotAcceptable           a page was asked for as something that it is not
    ├── BodyIncomplete          the client went away in the middle of a body
    ├── BodyStalled             a body stopped coming
    ├── TooManyTags             more `tag=` parameters than one push may have
    ├── TooManyBodies           unfinished bodies that hold too much memory
    ├── TooManyConnections      the cap on connections, all of them in use
    ├── TooManyUploads          the cap on concurrent upload sessions
    ├── AccountUploadsFull      the cap on uploads that one account has open
    ├── AccountBytesFull        the cap on bytes that one account has in unfinished uploads
    ├── TooManyRequests         more than an address, or an account, may send in a while
    ├── ProjectUnknown          the project has no policy of its own
    ├── EventInvalid            not the name of an event
    ├── EventUnknown            the history of this tag does not show that event
    ├── RollbackInvalid         there is nothing to go back to at that event
    ├── DocumentInvalid         a JSON body that is not what the endpoint takes
    ├── DocumentTooLarge        over the cap
    ├── TooManyWaits            the cap on requests that wait for an event
    ├── NobodyServes            a node that keeps nothing reaches no member that could answer
    ├── TooManyPassedOn         the cap on requests that others answer, all of them running
    ├── AnswerLost              a member was asked, and its answer did not come, or not all of it
    ├── Unconfirmed             no majority of the region can be asked, and the project wants that
    ├── OutcomeUnknown          a write is logged, and could not be acknowledged
    ├── RequestOverdue          it took too long: whether it was done is not known
    └── WaitTimedOut            an event is not everywhere yet
    StorageFailure              as `cluster.errors` has it
    ├── IndexPaused             the index takes nothing now, and is tried again: nothing is broken
    │   └── IndexFull           no room for it on the disk
    └── IndexDamaged            files of the index are gone, or not what was written
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from cluster.errors import StorageFailure
from cluster.model import Digest, Dot, SpreadNode


class RegistryError(Exception):
    """Base of the domain errors. `str()` is a sentence for the client."""

    @property
    def detail(self) -> object:
        """JSON-able facts that help the client; None when the message says it all."""
        return None


class NameInvalid(RegistryError):
    pass


class NameUnknown(RegistryError):
    def __init__(self, repository: str) -> None:
        super().__init__(f"repository {repository!r} is not known to this registry")
        self.repository = repository

    @property
    def detail(self) -> object:
        return {"name": self.repository}


class TagInvalid(RegistryError):
    pass


class DigestInvalid(RegistryError):
    pass


class ManifestUnknown(RegistryError):
    def __init__(self, repository: str, reference: str) -> None:
        super().__init__(f"manifest {reference!r} is not known in repository {repository!r}")
        self.repository = repository
        self.reference = reference

    @property
    def detail(self) -> object:
        return {"name": self.repository, "reference": self.reference}


class ManifestInvalid(RegistryError):
    pass


class ManifestTooLarge(RegistryError):
    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"manifests may have at most {limit_bytes} bytes")
        self.limit_bytes = limit_bytes

    @property
    def detail(self) -> object:
        return {"limit": self.limit_bytes}


class ManifestBlobUnknown(RegistryError):
    """Carries the first missing digests; the client gets one error entry per digest."""

    SHOWN_MAX: Final = 100
    """Without a bound the answer to a manifest of 4 MiB would be larger than that."""

    def __init__(self, missing: Sequence[Digest]) -> None:
        text = "the manifest names content that this repository does not have"
        self.more = max(0, len(missing) - self.SHOWN_MAX)
        if self.more:
            text += f"; {self.more} more than are listed here"
        super().__init__(text)
        self.missing = tuple(missing[: self.SHOWN_MAX])


class ManifestDigestMismatch(RegistryError):
    def __init__(self, expected: Digest, got: Digest) -> None:
        super().__init__("the manifest does not hash to the digest in the URL")
        self.expected = expected
        self.got = got

    @property
    def detail(self) -> object:
        return {"expected": self.expected, "got": self.got}


class BlobNotFound(RegistryError):
    def __init__(self, repository: str, digest: Digest) -> None:
        super().__init__(f"blob is not known in repository {repository!r}")
        self.repository = repository
        self.digest = digest

    @property
    def detail(self) -> object:
        return {"name": self.repository, "digest": self.digest}


class SizeInvalid(RegistryError):
    pass


class BlobTooLarge(RegistryError):
    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"blobs may have at most {limit_bytes} bytes")
        self.limit_bytes = limit_bytes

    @property
    def detail(self) -> object:
        return {"limit": self.limit_bytes}


class UploadUnknown(RegistryError):
    def __init__(self, upload_id: str) -> None:
        super().__init__("no such upload in this repository: it ended, expired or never was")
        self.upload_id = upload_id


class UploadRangeInvalid(RegistryError):
    """The chunk does not follow the bytes already here; *offset* is where the next one starts."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"the next chunk must start at byte {offset}")
        self.offset = offset

    @property
    def detail(self) -> object:
        return {"offset": self.offset}


class UploadBusy(RegistryError):
    def __init__(self) -> None:
        super().__init__("another request is writing to this upload")


class UploadOwnerSilent(RegistryError):
    """Not "unknown": the node may have done what was asked and may still answer for it."""

    def __init__(self, owner: str) -> None:
        super().__init__("the node that has this upload does not answer; try again")
        self.owner = owner


class RangeNotSatisfiable(RegistryError):
    def __init__(self, size: int) -> None:
        super().__init__(f"the range lies outside the {size} bytes of this blob")
        self.size = size


class TooManyRanges(RegistryError):
    def __init__(self, limit: int) -> None:
        super().__init__(f"one request may ask for at most {limit} byte ranges")


class PaginationInvalid(RegistryError):
    pass


class QueryInvalid(RegistryError):
    pass


class BodyIncomplete(RegistryError):
    def __init__(self) -> None:
        super().__init__("the request body ended early")


class RequestMalformed(RegistryError):
    def __init__(self) -> None:
        super().__init__("the request is not well-formed HTTP/1.1")


class HeadersTooLarge(RegistryError):
    def __init__(self, limit_bytes: int, limit_fields: int) -> None:
        super().__init__(
            f"a request may have {limit_fields} header fields, {limit_bytes} bytes together"
        )
        self.limit_bytes = limit_bytes
        self.limit_fields = limit_fields


class UriTooLong(RegistryError):
    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"the target of a request may have at most {limit_bytes} bytes")
        self.limit_bytes = limit_bytes


class HttpVersionUnknown(RegistryError):
    def __init__(self) -> None:
        super().__init__("this server speaks HTTP/1.1")


class TransferCodingUnknown(RegistryError):
    def __init__(self) -> None:
        super().__init__("the only transfer coding that is understood is chunked")


class RouteUnknown(RegistryError):
    def __init__(self) -> None:
        super().__init__("no such endpoint; the registry API is under /v2/")


class MethodNotAllowed(RegistryError):
    def __init__(self, allowed: Sequence[str]) -> None:
        super().__init__(f"this endpoint takes {', '.join(allowed)}")
        self.allowed = tuple(allowed)


class NotAcceptable(RegistryError):
    def __init__(self, route: str) -> None:
        super().__init__(f"pages are text/html; for programs the same is at {route}")
        self.route = route

    @property
    def detail(self) -> object:
        return {"route": self.route}


class BodyStalled(RegistryError):
    def __init__(self, timeout_s: float) -> None:
        super().__init__(f"the body came too slowly, or nothing of it for {timeout_s:g} seconds")


class TooManyTags(RegistryError):
    def __init__(self, limit: int) -> None:
        super().__init__(f"one push may set at most {limit} tags")


class TooManyBodies(RegistryError):
    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"unfinished bodies hold more than {limit_bytes} bytes; send faster")
        self.limit_bytes = limit_bytes


class TooManyConnections(RegistryError):
    def __init__(self, limit: int) -> None:
        super().__init__(f"this node serves at most {limit} connections at once; try again")


class TooManyUploads(RegistryError):
    def __init__(self, limit: int) -> None:
        super().__init__(f"at most {limit} uploads may be open at once")


class AccountUploadsFull(RegistryError):
    def __init__(self, limit: int) -> None:
        super().__init__(f"one account may have at most {limit} uploads open at a node")


class AccountBytesFull(RegistryError):
    """The upload has what it had before."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(
            f"one account may have at most {limit_bytes} bytes in unfinished uploads at a node"
        )


class TooManyRequests(RegistryError):
    """Of a *kind*: `address`, `account`, or `pulls` of an address without an account."""

    def __init__(
        self,
        kind: str,
        most: float,
        period_s: float,
        wait_s: float,
        fields: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        whose = {
            "address": "requests of one address",
            "account": "requests of one account",
            "pulls": "manifests of one address without an account",
        }[kind]
        super().__init__(f"at most {most:.0f} {whose} in {period_s:.0f} s; slow down")
        self.wait_s = wait_s
        """After how many seconds one more would be answered."""
        self.fields = fields
        """What the answer's header tells of the limit."""


class NobodyServes(RegistryError):
    """Nothing has changed: nobody was asked."""

    def __init__(self) -> None:
        super().__init__("this node answers through members of its cluster, and reaches none")


class TooManyPassedOn(RegistryError):
    def __init__(self, limit: int) -> None:
        super().__init__(f"at most {limit} requests may be passed on at once")


class AnswerLost(RegistryError):
    """What a member did is not known."""

    def __init__(self, server: str) -> None:
        super().__init__("the node that was asked for the answer did not give it; try again")
        self.server = server

    @property
    def detail(self) -> object:
        return {"outcome": "unknown"}


class ProjectUnknown(RegistryError):
    def __init__(self, project: str) -> None:
        super().__init__(f"project {project!r} has no policy of its own")
        self.project = project

    @property
    def detail(self) -> object:
        return {"name": self.project}


class EventInvalid(RegistryError):
    pass


class EventUnknown(RegistryError):
    def __init__(self, repository: str, tag: str, event: Dot) -> None:
        super().__init__(f"the history of {repository}:{tag} does not show event {event}")
        self.event = event

    @property
    def detail(self) -> object:
        return {"event": str(self.event)}


class RollbackInvalid(RegistryError):
    pass


class DocumentInvalid(RegistryError):
    pass


class DocumentTooLarge(RegistryError):
    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"this endpoint takes at most {limit_bytes} bytes")
        self.limit_bytes = limit_bytes


class TooManyWaits(RegistryError):
    def __init__(self, limit: int) -> None:
        super().__init__(f"at most {limit} requests may wait for events at once")


class Unconfirmed(RegistryError):
    """
    Fewer than a majority of the region's nodes are connected, so what is here may not be the
    latest; and the project of *repository* refuses such reads.
    """

    def __init__(self, repository: str) -> None:
        super().__init__(
            "no majority of this region's nodes is connected, and "
            f"the project of {repository} refuses reads that may not be current"
        )
        self.repository = repository


class OutcomeUnknown(RegistryError):
    """
    A write is in this node's log, and could not be acknowledged. It is not undone: it may have
    taken effect, and may yet do so.
    """

    def __init__(self, event: Dot, reason: str) -> None:
        super().__init__(f"the write may or may not take effect, so repeat it: {reason}")
        self.event = event

    @property
    def detail(self) -> object:
        return {"event": str(self.event), "outcome": "unknown"}


class RequestOverdue(RegistryError):
    """A change was given up on its way: it may have taken effect, and may yet do so."""

    def __init__(self, limit_s: float) -> None:
        super().__init__(
            f"it was not done within {limit_s:g} s; it may or may not take effect, so repeat it"
        )

    @property
    def detail(self) -> object:
        return {"outcome": "unknown"}


class WaitTimedOut(RegistryError):
    """Carries the nodes that the event has not reached, as far as this node knows."""

    def __init__(self, event: Dot, timeout_s: float, missing: Sequence[SpreadNode]) -> None:
        where = ", ".join(f"{state.node} ({state.region})" for state in missing)
        super().__init__(f"after {timeout_s:g} s event {event} is not known to be on {where}")
        self.event = event
        self.missing = tuple(missing)

    @property
    def detail(self) -> object:
        return {"event": str(self.event), "missing": [s._asdict() for s in self.missing]}


class IndexPaused(StorageFailure):
    """The index takes no writes until what it lacks is there again; it tries by itself."""

    def __init__(self, message: str = "the index of this node is being opened again") -> None:
        super().__init__(message)


class IndexFull(IndexPaused):
    """The disk has no room for the index; reads go on."""

    def __init__(self, message: str = "no room for the index on the disk of this node") -> None:
        super().__init__(message)


class IndexDamaged(StorageFailure):
    """
    Only a person can help: see docs/damage.md.

    *reason* is for that person, and names files; clients are told that it is so.
    """

    def __init__(self, reason: str) -> None:
        super().__init__("the index of this node is damaged; its operator has to rebuild it")
        self.reason = reason
