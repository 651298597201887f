"""All targets."""

from typing import Final

from tests.fuzz.digests import Digests
from tests.fuzz.manifests import Manifests
from tests.fuzz.names import Names
from tests.fuzz.ranges import Ranges
from tests.fuzz.scopes import Scopes
from tests.fuzz.target import Target
from tests.fuzz.tokens import Tokens

TARGETS: Final[dict[str, type[Target]]] = {
    each.name: each for each in (Names, Digests, Ranges, Tokens, Scopes, Manifests)
}
