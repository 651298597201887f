"""What somebody typed or pasted to find an image: a name, a tag, a digest, or a whole command."""

import re
from typing import Final, NamedTuple

TEXT_MAX: Final = 500
"""Characters that are looked at."""

_DIGEST: Final = re.compile(r"(?:sha256|sha512):[0-9a-f]{1,128}")
_HEX: Final = re.compile(r"[0-9a-f]{7,128}")
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*://")

_WITH_VALUE: Final = frozenset(
    ("--platform", "--arch", "--os", "--override-arch", "--override-os", "--creds", "--src-creds",
     "--dest-creds", "--name", "--username", "--password", "--format", "--output", "--file",
     "--tag", "--network", "--volume", "-u", "-p", "-n", "-o", "-f", "-t", "-v")
)  # fmt: skip
"""Options of clients whose value is another word."""


class Asked(NamedTuple):
    """An image, as far as it is named. What is not named is empty."""

    name: str
    tag: str = ""
    digest: str = ""


class Pasted(NamedTuple):
    """What a text may mean."""

    readings: tuple[Asked, ...]
    """With and without its first component as a host; the likelier one first. None for a digest."""

    digest: str
    """The beginning of a digest, with its algorithm; empty: it is none."""


def parse_pasted(text: str) -> Pasted:
    """Read what somebody typed or pasted."""
    word = _reference_in(text[:TEXT_MAX].split())
    word = _SCHEME.sub("", word.strip("'\"`"), count=1)
    if _DIGEST.fullmatch(word):
        return Pasted((), word)
    digest = f"sha256:{word}" if _HEX.fullmatch(word) else ""
    if not word:
        return Pasted((), digest)
    rest, _, named = word.partition("@")
    path, slash, last = rest.rpartition("/")
    last, _, tag = last.partition(":")
    name = f"{path}{slash}{last}".strip("/").lower()
    host, _, behind = name.partition("/")
    behind = behind.strip("/")
    readings = [Asked(name, tag, named)]
    if behind and (host == "localhost" or "." in host or ":" in host):
        readings.insert(0, Asked(behind, tag, named))
    return Pasted(tuple(readings), digest)


def _reference_in(words: list[str]) -> str:
    """The word of a command that names the image; of one word that one."""
    if len(words) < 2:
        return words[0] if words else ""
    named: list[str] = []
    is_value = False
    for word in words[1:]:
        if not is_value and not word.startswith("-"):
            named.append(word)
        is_value = word in _WITH_VALUE
    # Clients have their verbs before the image, and what is run in it behind.
    with_path = [word for word in named if "/" in word]
    return next(iter(with_path), named[-1] if named else words[0])
