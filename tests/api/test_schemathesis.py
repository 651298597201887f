"""
Requests that a program makes up from the OpenAPI document: what is allowed, and what is not.

`SCHEMATHESIS_EXAMPLES` says how many it makes up for each operation.
"""

import asyncio
import os
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.api.conftest import Registry

EXAMPLES: Final = os.environ.get("SCHEMATHESIS_EXAMPLES", "5")

EXCLUDED: Final = (
    # Whether a push is taken depends on its bytes, digests and offsets: no schema tells.
    "positive_data_acceptance",
    # Who deletes the policy of a project gives it the defaults, and reads those.
    "use_after_free",
    # An upload ends by a PUT, too, whose digest is not that of its bytes.
    "ensure_resource_availability",
)


@pytest.mark.schemathesis
@pytest.mark.timeout(1800)
async def test_answers_are_as_described_whatever_is_asked(registry: Registry, tmp_path: Path):
    """Broken: a request makes a 5xx, or is answered as the document does not say."""
    await registry.push_image("lib", "v1")
    done = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "st"),
        "run",
        f"{registry.url}/openapi.json",
        *("--max-examples", EXAMPLES, "--seed", "1", "--checks", "all"),
        *("--exclude-checks", ",".join(EXCLUDED)),
        *("--phases", "examples,coverage,fuzzing,stateful", "--mode", "all", "--no-color"),
        *("--continue-on-failure", "--generation-database", "none"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=tmp_path,
    )
    said, _ = await done.communicate()
    assert done.returncode == 0, said.decode()
    assert (await registry.call("GET", "/v2/lib/manifests/v1")).status in (200, 404)
