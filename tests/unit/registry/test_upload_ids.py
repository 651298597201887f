"""Names of upload sessions: what they say, and what is none."""

import pytest

from cluster.model import NodeId
from node.errors import UploadUnknown
from node.registry.upload_ids import UploadId

SESSION = "2b1d6c0e-8f0a-4a55-9d0e-0f6a3f1f7a11"


@pytest.mark.parametrize("owner", ["eu-0", "node-7.eu.example", "a", "n" * 63])
def test_an_id_names_its_session_and_its_owner(owner: str):
    """If this fails, chunks go to another node than the one that has the session."""
    upload = UploadId(SESSION, NodeId(owner))
    assert UploadId.parse(str(upload)) == upload


@pytest.mark.parametrize(
    "text",
    ["", ".", SESSION, f"{SESSION}.", ".eu-0", f"{SESSION}.EU", f"{SESSION}.a/b", f"{SESSION}.a\n",
     f"{SESSION}.{'n' * 64}", f"{SESSION}.eu-0@evil.example", f"{SESSION}.eu-0:80"],
)  # fmt: skip
def test_what_no_node_gave_out_is_unknown(text: str):
    """If this fails, a client chooses what a node takes for a node's name."""
    with pytest.raises(UploadUnknown):
        UploadId.parse(text)
