"""That the memory of the index is what the operator says."""

from pathlib import Path

from cluster.model import NodeId
from node.index.rocks import RocksStore
from node.index.worded import WordedStore
from node.main import running
from node.recovery.repair import Repair
from node.settings import Address, Settings
from tests.e2e.ports import RPC_OFFSET, free_base_port

LIMIT = 96 << 20


async def test_the_setting_is_the_limit_of_the_index_s_cache(tmp_path: Path):
    """Broken: a node on a small machine is ended for want of memory, whatever is set."""
    port = free_base_port(1)
    settings = Settings(
        data_dir=tmp_path,
        http=Address("127.0.0.1", port),
        rpc=Address("127.0.0.1", port + RPC_OFFSET),
        admin=Address("127.0.0.1", 0),
        index_memory_bytes=LIMIT,
    )
    async with running(settings, NodeId("a"), Repair()) as node:
        worded = node._mender._replica._journal.store
        assert isinstance(worded, WordedStore)
        store = worded.inner
        assert isinstance(store, RocksStore)
        rows = store._families["manifests"]
        assert rows.property_int_value("rocksdb.block-cache-capacity") == LIMIT
