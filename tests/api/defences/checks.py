"""What a check is, and words of all of them."""

from collections.abc import Awaitable, Callable
from typing import Final

from tests.api.conftest import StartRegistry

Check = Callable[[StartRegistry], Awaitable[None]]

PULL: Final = "repository:lib/app:pull"
PUSH: Final = "repository:lib/app:pull,push"
