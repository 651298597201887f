"""
Which of the manifests that an index lists have to be there before the index may be.

A mirror that keeps one platform of an image under the digest of the whole has to push an index most
of whose manifests it does not have. What an index names besides manifests, as BuildKit's cache does
with layers, has to be there always; so have blobs, and what is there has the size that is stated.
"""

from typing import Annotated, Final, Literal

import msgspec

PLATFORMS_MAX: Final = 32
"""Platforms that a project may name."""

Platform = Annotated[
    str,
    msgspec.Meta(
        pattern=r"\A[a-z0-9_]{1,32}/[a-z0-9_]{1,32}(/[a-z0-9_.]{1,32})?\Z",
        description="OS/ARCHITECTURE or OS/ARCHITECTURE/VARIANT",
    ),
]

Children = (
    Literal["all", "none"]
    | Annotated[list[Platform], msgspec.Meta(min_length=1, max_length=PLATFORMS_MAX)]
)
"""`all` of them, `none`, or those for one of some platforms. One that is listed without a platform
is for none."""


def platform_name(os: str | None, architecture: str | None, variant: str | None) -> str:
    """The name of a platform as an index states it; empty when it states none."""
    if not os or not architecture:
        return ""
    return f"{os}/{architecture}/{variant}" if variant else f"{os}/{architecture}"


def is_required(listed_for: tuple[str, ...], children: Children) -> bool:
    """Whether a manifest that an index lists for these platforms has to be there."""
    if isinstance(children, str):
        return children == "all"
    return any(_is_one(platform, wanted) for platform in listed_for for wanted in children)


def _is_one(platform: str, wanted: str) -> bool:
    """Whether *platform* is the *wanted* one; who names no variant wants every one."""
    return platform == wanted or platform.startswith(f"{wanted}/")
