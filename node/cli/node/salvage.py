"""`atoll salvage`: what only an index has that was left behind, and pushing it again."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

import msgspec

from cluster.errors import StorageFailure
from cluster.model import Digest, Dot, Origin
from node.blobs.layout import BlobLayout
from node.cli.client import ask, ask_for
from node.cli.errors import CommandError, PushRefused
from node.cli.node.registry import RegistryNode
from node.cli.outcome import Outcome
from node.cli.references import parse_url
from node.cli.words import Tell, table
from node.errors import ManifestInvalid, TagInvalid
from node.errors.startup import StartupError
from node.recovery.finds import Find, FindKind
from node.recovery.former_index import FormerIndex, LogEnds, former_indexes
from node.registry.manifests import stored_needs
from node.registry.names import Tag

NOTHING_LEFT, LEFT, UNKNOWN = 0, 1, 2


class ChangeState(StrEnum):
    """What the cluster has of a change of the former index."""

    UNASKED = "not asked"
    LACKING = "lacking"
    PRESENT = "present"
    """The cluster has come to the same by another way."""

    REPLACED = "replaced"
    """By a later change in the same index."""

    CONFLICT = "conflict"
    """The cluster has gone on since with the same tag."""

    BY_HAND = "by hand"
    PUSHED = "pushed"
    REFUSED = "refused"


_DONE: Final = (ChangeState.PRESENT, ChangeState.REPLACED, ChangeState.PUSHED)


class Judged(NamedTuple):
    find: Find
    state: ChangeState
    note: str = ""


class _Wanted(NamedTuple):
    """What was asked for with the command."""

    push: bool
    tag_suffix: str
    tell: Tell


def salvage(
    path: Path, url: str | None, *, push: bool, tag_suffix: str, tell: Tell
) -> tuple[int, Outcome]:
    """
    Find what the index at *path*, or the newest that a data directory there has, has alone, and
    push it again where that is asked for. Returns the exit status, too.

    Without the *url* of a node it is all that the members had not said for long to have.

    Raises:
        CommandError: the index cannot be read, or the node does not answer.
    """
    node = None if url is None else RegistryNode(parse_url(url))
    try:
        index_path, *others = former_indexes(path)
        with FormerIndex(index_path) as index:
            logs = index.logs()
            after = (
                {origin: log.floor for origin, log in logs.items()}
                if node is None
                else _lacking(node.url, logs)
            )
            finds = index.finds(after)
            if node is None:
                judged = [_unasked(find) for find in finds]
            else:
                blobs = BlobLayout(index_path.absolute().parent)
                judge = _Judge(index, node, blobs, _Wanted(push, tag_suffix, tell))
                judged = [judge.judge(find) for find in finds]
            of = index.node
    except (StartupError, StorageFailure, OSError, msgspec.MsgspecError) as exc:
        raise CommandError(str(exc)) from exc
    left = sum(each.state not in _DONE for each in judged)
    document = {
        "index": str(index_path),
        "node": of,
        "asked": None if node is None else node.url,
        "other_indexes": [str(other) for other in others],
        "changes": [_document(each) for each in judged],
        "left": left,
    }
    text = _text(index_path, judged, others, asked=node is not None)
    return (LEFT if left else NOTHING_LEFT), Outcome(text, document)


def _lacking(url: str, logs: dict[Origin, LogEnds]) -> dict[Origin, int]:
    """Up to where the node at *url* has each log that goes further here."""
    name = ask_for(url, "GET", "/atoll/v1/cluster").document["node"]
    found: dict[Origin, int] = {}
    for origin, (has, lacks) in logs.items():
        if _has(url, name, Dot(*origin, lacks)):
            continue
        while lacks - has > 1:
            middle = (has + lacks) // 2
            if _has(url, name, Dot(*origin, middle)):
                has = middle
            else:
                lacks = middle
        found[origin] = has
    return found


def _has(url: str, name: str, event: Dot) -> bool:
    """Whether the node *name* has an event."""
    query = urlencode({"event": str(event), "timeout_s": "0"})
    answer = ask(url, "GET", f"/atoll/v1/wait?{query}")
    if answer.status == 200:
        return True
    try:
        missing = answer.document["errors"][0]["detail"]["missing"]
        return name not in {node["node"] for node in missing}
    except (KeyError, TypeError):
        raise CommandError(answer.error()) from None


def _unasked(find: Find) -> Judged:
    return Judged(find, ChangeState.UNASKED if find.last else ChangeState.REPLACED)


class _Judge:
    """Finds out how each change stands, and pushes what is lacking where that is wanted."""

    def __init__(
        self, index: FormerIndex, node: RegistryNode, blobs: BlobLayout, wanted: _Wanted
    ) -> None:
        self._index = index
        self._node = node
        self._blobs = blobs
        self._wanted = wanted
        self._came_along: set[tuple[str, Digest]] = set()
        """Manifests and blobs that were pushed for what names them."""

    def judge(self, find: Find) -> Judged:
        if not find.last:
            return Judged(find, ChangeState.REPLACED)
        match find.kind:
            case FindKind.TAG if find.digest is not None:
                return self._tag(find, find.digest)
            case FindKind.MANIFEST if find.digest is not None:
                return self._manifest(find, find.digest)
            case FindKind.BLOB if find.digest is not None:
                return self._blob(find, find.digest)
            case FindKind.TAG_DELETED:
                seen = self._node.tag(find.repository, find.name)
                gone = seen is None or seen["digest"] is None
            case FindKind.MANIFEST_DELETED if find.digest is not None:
                gone = not self._node.has_manifest(find.repository, find.digest)
            case FindKind.BLOB_DELETED if find.digest is not None:
                gone = not self._node.has_blob(find.repository, find.digest)
            case _:
                gone = False
        return Judged(find, ChangeState.PRESENT if gone else ChangeState.BY_HAND)

    def _blob(self, find: Find, digest: Digest) -> Judged:
        if self._node.has_blob(find.repository, digest):
            return self._present(find, digest)
        return self._pushed(find, lambda: self._put_blob(find.repository, digest))

    def _manifest(self, find: Find, digest: Digest) -> Judged:
        if self._node.has_manifest(find.repository, digest):
            return self._present(find, digest)
        return self._pushed(find, lambda: self._put_manifest(find.repository, digest, digest))

    def _present(self, find: Find, digest: Digest) -> Judged:
        pushed = (find.repository, digest) in self._came_along
        return Judged(find, ChangeState.PUSHED if pushed else ChangeState.PRESENT)

    def _tag(self, find: Find, digest: Digest) -> Judged:
        seen = self._node.tag(find.repository, find.name)
        if seen is not None and seen["digest"] == digest:
            return Judged(find, ChangeState.PRESENT)
        if seen is None or not self._went_on(seen):
            return self._pushed(
                find, lambda: self._put_manifest(find.repository, digest, find.name)
            )
        now = seen["digest"] or "deleted"
        if not self._wanted.tag_suffix:
            return Judged(find, ChangeState.CONFLICT, f"it is {now}")
        return self._tag_beside(find, digest, f"{find.name}{self._wanted.tag_suffix}")

    def _tag_beside(self, find: Find, digest: Digest, name: str) -> Judged:
        """The same under another name, which nobody uses."""
        try:
            Tag.parse(name)
        except TagInvalid as exc:
            return Judged(find, ChangeState.CONFLICT, str(exc))
        seen = self._node.tag(find.repository, name)
        if seen is not None and seen["digest"] == digest:
            return Judged(find, ChangeState.PRESENT, f"as {name}")
        if seen is not None:
            return Judged(find, ChangeState.CONFLICT, f"and there is a tag {name}")
        return self._pushed(
            find, lambda: self._put_manifest(find.repository, digest, name), f"as {name}"
        )

    def _went_on(self, seen: dict[str, Any]) -> bool:
        """
        Whether somebody wrote or deleted a tag who may not have known what this index had: what its
        last write replaced may be replaced again, and nothing else.
        """
        newest = seen["history"][:1]
        if seen["digest"] is None and not (newest and newest[0]["action"] == "delete"):
            return True  # it went with its manifest
        events = [entry["event"] for entry in (*seen["heads"], *newest)]
        return not all(self._index.has_seen(Dot.parse(event)) for event in events)

    def _pushed(self, find: Find, push: Callable[[], None], note: str = "") -> Judged:
        if not self._wanted.push:
            return Judged(find, ChangeState.LACKING, note)
        try:
            push()
        except (PushRefused, ManifestInvalid) as exc:
            return Judged(find, ChangeState.REFUSED, str(exc))
        self._wanted.tell(f"pushed {_what(find)}{f' {note}' if note else ''}")
        return Judged(find, ChangeState.PUSHED, note)

    def _put_manifest(self, repository: str, digest: Digest, reference: str) -> None:
        """Push a manifest, the blobs that it names first."""
        manifest = self._index.manifest(repository, digest)
        if manifest is None:
            raise PushRefused(f"manifest {digest} is not in the index")
        for need in stored_needs(digest, manifest.body):
            if not need.may_be_manifest and not self._node.has_blob(repository, need.digest):
                self._put_blob(repository, need.digest)
        self._node.put_manifest(repository, reference, manifest)
        self._came_along.add((repository, digest))

    def _put_blob(self, repository: str, digest: Digest) -> None:
        try:
            self._node.put_blob(repository, digest, Path(self._blobs.blob(digest)))
        except FileNotFoundError:
            raise PushRefused(f"blob {digest} is not on this disk") from None
        self._came_along.add((repository, digest))


def _what(find: Find) -> str:
    mark = "@" if find.name == find.digest else ":"
    return f"{find.repository}{mark}{find.name}"


def _time(find: Find) -> str:
    moment = datetime.fromtimestamp(find.time_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds")


def _document(judged: Judged) -> dict[str, object]:
    find = judged.find
    return {
        "kind": find.kind.value,
        "repository": find.repository,
        "name": find.name,
        "digest": find.digest,
        "time": _time(find),
        "event": find.event,
        "state": judged.state.value,
        "note": judged.note,
    }


def _text(index: Path, judged: Sequence[Judged], others: Sequence[Path], *, asked: bool) -> str:
    lines = [f"{other} is older, and there as well" for other in others]
    if judged:
        rows = [("TIME", "KIND", "WHAT", "DIGEST", "STATE")]
        for find, state, note in judged:
            told = f"{state.value}: {note}" if note else state.value
            digest = "-" if find.digest in (None, find.name) else str(find.digest)
            rows.append((_time(find), find.kind.value, _what(find), digest, told))
        lines.append(table(rows))
    counts = Counter(each.state.value for each in judged)
    counted = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
    if not asked:
        lines.append(
            f"{index}: {counted}; the cluster may have most of them: give --url to ask a node of it"
            if judged
            else f"{index}: the members had all of it"
        )
    else:
        lines.append(f"{index}: {counted or 'the cluster has all of it'}")
    return "\n".join(lines)
