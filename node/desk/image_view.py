"""What is shown of an image."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from node.desk.config import ConfigFacts
from node.desk.outline import ImageKind
from node.desk.text import NamedText, Text

ConfigState = Literal["read", "unknown", "too large", "unreadable", "other"]


class PlatformShown(msgspec.Struct, frozen=True):
    """One of the images that an index lists."""

    platform: str
    """`OS/ARCHITECTURE` or `OS/ARCHITECTURE/VARIANT`; empty: it states none."""

    digest: str
    """That of its manifest."""

    bytes: int | None
    """The size of what is pulled for it; null where its manifest is not here, or is too large to be
    looked at beside others."""

    layers: int | None
    """How many it has; null likewise."""


class LayerShown(msgspec.Struct, frozen=True):
    """A step of the build, with the layer that it made, as far as the two can be joined."""

    digest: str | None
    """That of the layer; null: the step made none."""

    bytes: int
    """The size of the layer."""

    media_type: str
    """That of the layer; empty: the step made none."""

    command: Text | None
    """What made it; null where that is not known."""

    created: str
    """When, as whoever made it says; empty: they do not."""


class OpenedImage(msgspec.Struct, frozen=True):
    """The image whose layers are shown: itself, or one of those that the index lists."""

    digest: str
    """That of its manifest."""

    platform: str
    """As the index has it, or else its config; empty: neither does."""

    bytes: int
    """The size of what is pulled for it, its config included."""

    state: ConfigState
    """Whether its config is `read`. It is `unknown` where it is not here and did not come at once,
    `too large`, `unreadable`, or `other`: not that of an image."""

    config: ConfigFacts | None
    """What that says; null where it is not read."""

    layers: Sequence[LayerShown]
    """The first steps, the lowest layer first."""

    layers_count: int
    """How many layers it has."""

    steps_count: int
    """How many steps its config tells of; 0 where it is not read."""

    is_joined: bool
    """Whether the steps that made layers are as many as these, so that each has its own. Else
    `layers` has the layers alone."""


class ImageShown(msgspec.Struct, frozen=True):
    """An image: a manifest of any kind, with what is known of it."""

    repository: str
    """Whose it is."""

    tag: str | None
    """By which it was asked for; null: by its digest."""

    digest: str
    """That of the manifest."""

    event: str | None
    """Of the push that pointed the tag here; without a tag, of the latest one of the manifest. Null
    where there is only an index that names it."""

    kind: ImageKind
    """An `image`, an `index` of images, or an `artifact`, which is neither."""

    media_type: str
    """That of the manifest."""

    artifact_type: str | None
    """What kind of artifact it is; null of an image, and of an index that has none."""

    subject: str | None
    """The manifest that it is attached to."""

    pushed: str | None
    """When the manifest was pushed last; null where there is only an index that names it."""

    manifest_bytes: int
    """The size of the manifest."""

    bytes: int
    """The size of all that it names, each blob once."""

    is_partial: bool
    """Whether something of that is not counted: it is not here, or too much to be looked at."""

    annotations: Sequence[NamedText]
    """The first of its annotations, by name."""

    annotations_count: int
    """How many there are."""

    platforms: Sequence[PlatformShown]
    """The first images that it lists, without attestations; none but of an index."""

    platforms_count: int
    """How many there are."""

    opened: OpenedImage | None
    """The one whose layers are shown; null where none can be."""

    tags: Sequence[str]
    """The first tags that have it now, by name."""

    tags_more: bool
    """Whether there are more."""

    had: Sequence[str]
    """Tags of which it is known that they had it and do not have it any more, as far back as the
    activity goes."""
