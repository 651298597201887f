"""The event loop of these tests: what they wait for costs no time."""

import asyncio

from tests.fakes.virtual_time import VirtualLoop


def pytest_asyncio_loop_factories(config, item):
    """Virtual time, but where there is a real connection: gRPC brings threads and sockets."""
    if item.path.name.startswith("test_rpc"):
        return {"real": asyncio.new_event_loop}
    return {"virtual": VirtualLoop}
