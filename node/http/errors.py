"""
The only place where an error meets the OCI vocabulary.

Codes are those of the distribution-spec ("Error Codes"); 5xx answers, for which it has none, use
UNAVAILABLE and UNKNOWN as other registries do.
"""

import math
import re
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from cluster import errors as cluster
from node import errors as domain
from node.errors import tags
from node.http import headers
from node.http.answers import ErrorEntry, Errors, json_answer
from node.identity import errors as identity

WIRE: Final[Mapping[type[Exception], tuple[int, str]]] = {
    domain.NameInvalid: (400, "NAME_INVALID"),
    domain.NameUnknown: (404, "NAME_UNKNOWN"),
    domain.TagInvalid: (400, "MANIFEST_INVALID"),
    domain.DigestInvalid: (400, "DIGEST_INVALID"),
    domain.ManifestUnknown: (404, "MANIFEST_UNKNOWN"),
    domain.ManifestInvalid: (400, "MANIFEST_INVALID"),
    domain.ManifestTooLarge: (413, "SIZE_INVALID"),
    domain.ManifestBlobUnknown: (404, "MANIFEST_BLOB_UNKNOWN"),
    domain.ManifestDigestMismatch: (400, "DIGEST_INVALID"),
    domain.BlobNotFound: (404, "BLOB_UNKNOWN"),
    domain.SizeInvalid: (400, "SIZE_INVALID"),
    domain.BlobTooLarge: (413, "SIZE_INVALID"),
    domain.UploadUnknown: (404, "BLOB_UPLOAD_UNKNOWN"),
    domain.UploadRangeInvalid: (416, "BLOB_UPLOAD_INVALID"),
    domain.UploadBusy: (409, "BLOB_UPLOAD_INVALID"),
    domain.UploadOwnerSilent: (503, "UNAVAILABLE"),
    domain.RangeNotSatisfiable: (416, "SIZE_INVALID"),
    domain.TooManyRanges: (400, "UNSUPPORTED"),
    domain.PaginationInvalid: (400, "UNSUPPORTED"),
    domain.QueryInvalid: (400, "UNSUPPORTED"),
    domain.RequestMalformed: (400, "UNSUPPORTED"),
    domain.HeadersTooLarge: (431, "UNSUPPORTED"),
    domain.UriTooLong: (414, "UNSUPPORTED"),
    domain.HttpVersionUnknown: (505, "UNSUPPORTED"),
    domain.TransferCodingUnknown: (501, "UNSUPPORTED"),
    domain.RouteUnknown: (404, "UNSUPPORTED"),
    domain.MethodNotAllowed: (405, "UNSUPPORTED"),
    domain.NotAcceptable: (406, "UNSUPPORTED"),
    domain.BodyIncomplete: (400, "SIZE_INVALID"),
    domain.BodyStalled: (408, "SIZE_INVALID"),
    domain.TooManyTags: (414, "UNSUPPORTED"),
    domain.TooManyBodies: (429, "TOOMANYREQUESTS"),
    domain.TooManyConnections: (503, "UNAVAILABLE"),
    domain.TooManyUploads: (429, "TOOMANYREQUESTS"),
    domain.AccountUploadsFull: (429, "TOOMANYREQUESTS"),
    domain.AccountBytesFull: (429, "TOOMANYREQUESTS"),
    domain.TooManyRequests: (429, "TOOMANYREQUESTS"),
    domain.ProjectUnknown: (404, "NAME_UNKNOWN"),
    domain.EventInvalid: (400, "UNSUPPORTED"),
    domain.EventUnknown: (404, "MANIFEST_UNKNOWN"),
    domain.RollbackInvalid: (400, "UNSUPPORTED"),
    tags.TagMoved: (412, "UNSUPPORTED"),
    tags.TagNeverWas: (409, "UNSUPPORTED"),
    domain.DocumentInvalid: (400, "UNSUPPORTED"),
    domain.DocumentTooLarge: (413, "SIZE_INVALID"),
    domain.TooManyWaits: (429, "TOOMANYREQUESTS"),
    domain.NobodyServes: (503, "UNAVAILABLE"),
    domain.TooManyPassedOn: (429, "TOOMANYREQUESTS"),
    domain.AnswerLost: (502, "UNAVAILABLE"),
    domain.Unconfirmed: (503, "UNAVAILABLE"),
    domain.OutcomeUnknown: (503, "UNAVAILABLE"),
    domain.RequestOverdue: (503, "UNAVAILABLE"),
    identity.Unauthenticated: (401, "UNAUTHORIZED"),
    identity.AccessDenied: (403, "DENIED"),
    identity.LoginTooOld: (403, "DENIED"),
    identity.ForeignForm: (403, "DENIED"),
    identity.TooManyLogins: (429, "TOOMANYREQUESTS"),
    identity.LoginDelayed: (429, "TOOMANYREQUESTS"),
    identity.AuthorityLost: (503, "UNAVAILABLE"),
    identity.ScopeInvalid: (400, "UNSUPPORTED"),
    identity.SecurityDocumentInvalid: (400, "UNSUPPORTED"),
    identity.AccountUnknown: (404, "NAME_UNKNOWN"),
    identity.AccountExists: (409, "UNSUPPORTED"),
    domain.WaitTimedOut: (503, "UNAVAILABLE"),
    domain.IndexPaused: (503, "UNAVAILABLE"),
    domain.IndexFull: (503, "UNAVAILABLE"),
    domain.IndexDamaged: (503, "UNAVAILABLE"),
    cluster.DigestMismatch: (400, "DIGEST_INVALID"),
    cluster.StorageFull: (503, "UNAVAILABLE"),
    cluster.BlobUnavailable: (503, "UNAVAILABLE"),
    cluster.ClockOff: (503, "UNAVAILABLE"),
    cluster.NotEnoughNodes: (503, "UNAVAILABLE"),
    cluster.CopiesUnfinished: (503, "UNAVAILABLE"),
    cluster.MemberUnknown: (404, "UNSUPPORTED"),
    cluster.MemberNotDead: (409, "UNSUPPORTED"),
    cluster.UnknownRegion: (400, "UNSUPPORTED"),
    cluster.NotCaughtUp: (503, "UNAVAILABLE"),
    cluster.NotDecided: (503, "UNAVAILABLE"),
    cluster.LayoutInvalid: (409, "UNSUPPORTED"),
    cluster.MemberKnown: (409, "UNSUPPORTED"),
    cluster.MemberMissing: (404, "UNSUPPORTED"),
    cluster.MemberSilent: (409, "UNSUPPORTED"),
    cluster.RegionFixed: (409, "UNSUPPORTED"),
    cluster.CopiesUnmet: (409, "UNSUPPORTED"),
    cluster.CopiesAtStake: (409, "UNSUPPORTED"),
    cluster.NotDrained: (409, "UNSUPPORTED"),
    cluster.VotersUnfit: (409, "UNSUPPORTED"),
    cluster.QuorumSilent: (409, "UNSUPPORTED"),
    cluster.WitnessUnfit: (409, "UNSUPPORTED"),
    cluster.ChangeOpen: (503, "UNAVAILABLE"),
    cluster.VersionTaken: (409, "UNSUPPORTED"),
    cluster.PlanUnknown: (404, "UNSUPPORTED"),
    cluster.NewcomerAbsent: (409, "UNSUPPORTED"),
    cluster.SurvivorsUnfit: (409, "UNSUPPORTED"),
}
"""
Domain error -> (status, code). An error that is not here is a bug or a `StorageFailure`, and
answered with 500: what a storage says of itself names files, and is for the log.
"""

RETRY_AFTER_S: Final = {429: "5", 503: "1"}

UNEXPECTED: Final = (500, "UNKNOWN")


_DRAWN: Final = re.compile(r"[├└]── (\w+) {2,}(.+)$", re.MULTILINE)


def wire_of(error: type[Exception]) -> tuple[int, str]:
    """The status and the code under which *error* is told to the client."""
    return WIRE.get(error, UNEXPECTED)


def meaning_of(error: type[Exception]) -> str:
    """What *error* means, as the tree of errors has it; not what the engine makes of it."""
    if error not in WIRE:
        return "this node failed; its log says why"
    trees = (domain, tags, identity, cluster, cluster.layout)
    drawn: dict[str, str] = dict(_DRAWN.findall("\n".join(tree.__doc__ or "" for tree in trees)))
    return drawn[error.__name__].partition(": ")[0]


def code_of(error: Exception) -> str:
    """The code under which *error* is told to the client."""
    return wire_of(type(error))[1]


def error_response(error: Exception, path: str) -> web.Response:
    """The answer for *error* on *path*: one of `WIRE`, or 500 without a word of the inside."""
    status, code = WIRE.get(type(error), UNEXPECTED)
    response = json_answer(Errors(_entries(error, code)), status=status)
    if status in RETRY_AFTER_S:
        response.headers["Retry-After"] = RETRY_AFTER_S[status]
    if isinstance(error, domain.TooManyRequests | identity.LoginDelayed):
        response.headers["Retry-After"] = str(math.ceil(error.wait_s))
    if isinstance(error, domain.TooManyRequests):
        response.headers.update(error.fields)
    if isinstance(error, domain.BodyIncomplete | domain.BodyStalled):
        response.force_close()  # where the next request would begin is not known
    if isinstance(error, identity.Unauthenticated) and error.challenge:
        response.headers["WWW-Authenticate"] = error.challenge
    if isinstance(error, domain.MethodNotAllowed):
        response.headers["Allow"] = ", ".join(error.allowed)
    if isinstance(error, domain.UploadRangeInvalid):
        response.headers["Location"] = path
        response.headers["Range"] = headers.progress(error.offset)
    if isinstance(error, domain.RangeNotSatisfiable):
        response.headers["Content-Range"] = f"bytes */{error.size}"
    return response


def _entries(error: Exception, code: str) -> list[ErrorEntry]:
    if type(error) not in WIRE:
        failed = isinstance(error, cluster.StorageFailure)
        met = "could not read or write its storage" if failed else "met an unexpected error"
        return [ErrorEntry(code, f"this node {met}; see its log")]
    if isinstance(error, domain.ManifestBlobUnknown):
        return [ErrorEntry(code, str(error), {"digest": digest}) for digest in error.missing]
    detail = error.detail if isinstance(error, domain.RegistryError) else None
    if isinstance(error, cluster.NotEnoughNodes):
        counts = {"connected": error.connected, "wanted": error.wanted}
        detail = {**counts, "missing": error.missing}
    if isinstance(error, cluster.NotDecided):
        detail = {"missing": error.missing}
    message = str(error)
    if isinstance(error, cluster.CopiesUnfinished):
        # Behind its log no refusal of the cluster gets here (`node.registry.receipt.logged`).
        message, detail = f"{message}; nothing has changed", {"outcome": "unchanged"}
    return [ErrorEntry(code, message, detail)]
