"""Push an image to one node and pull it from another: `python -m tests.e2e.first_push FROM TO`."""

import asyncio
import random
import sys

from tests.e2e.registry_client import make_image, registry_clients

_LAYERS_BYTES = (100_000, 3_000_000)


async def push_and_pull(source: str, target: str) -> None:
    """Push to the node at *source* (host:port) and read the same from the one at *target*."""
    image = make_image(random.Random(), _LAYERS_BYTES)
    async with registry_clients([source, target]) as (first, second):
        await first.push("library/first", "latest", image)
        if await second.pull("library/first", "latest") != image:
            raise SystemExit(f"{target} serves another image than was pushed to {source}")
    print(f"{image.digest} is on {source} and {target}")


if __name__ == "__main__":
    asyncio.run(push_and_pull(*sys.argv[1:]))
