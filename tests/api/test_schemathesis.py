"""
Requests that a program makes up from the OpenAPI document: what is allowed, and what is not.

`SCHEMATHESIS_EXAMPLES` says how many it makes up for each operation.
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Final

import pytest

from node.http.endpoint import Action
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

REFUSING: Final = [400, 401, 403, 404, 405, 406, 409, 413, 414, 415, 422, 428, 429, 431]
"""What tells that a request is none that the document has. By default it may be a 5xx as well, but
not that the request is too long."""

READS: Final = {
    Action.MANIFEST_READ,
    Action.BLOB_READ,
    Action.UPLOAD_STATUS,
    Action.TAGS,
    Action.TAG_READ,
}


@pytest.mark.schemathesis
@pytest.mark.timeout(1800)
async def test_answers_are_as_described_whatever_is_asked(registry: Registry, tmp_path: Path):
    """Broken: a request makes a 5xx, or is answered as the document does not say."""
    await write_dictionaries(registry, tmp_path / "schemathesis.toml")
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
    served = {action for action, _, status in registry.observed.requests if status < 400}
    assert served >= READS, "it met nothing that is there"
    assert (await registry.call("GET", "/v2/")).status == 200


async def write_dictionaries(registry: Registry, path: Path) -> None:
    """Push images, and have most variables of paths be of one of them."""
    names = [f"lib{number}" for number in range(8)]
    for name in names:
        manifest = await registry.push_image(name, "v1", text="some")
    body = (await registry.call("GET", f"/v2/{names[0]}/manifests/v1")).json
    digests = [manifest, body["config"]["digest"], body["layers"][0]["digest"]]
    # Uploads are of one repository, which is asked for more often than the others together: a name
    # and an upload that go together have to meet within few examples.
    opened = [await registry.start_upload(names[0]) for _ in range(64)]
    uploads = [location.rpartition("/")[2] for location in opened]
    known = {
        "name": [*names, *names[:1] * 2 * len(names)],
        "reference": ["v1", manifest],
        "digest": digests,
        "tag": ["v1"],
        "upload": uploads,
    }
    lines = ["[checks.negative_data_rejection]"]
    lines.append(f"expected-statuses = {json.dumps(REFUSING)}")
    lines.append("[dictionaries]")
    lines += [f"{name}.values = {json.dumps(values)}" for name, values in known.items()]
    lines.append("[parameters]")
    lines += [f'"path.{name}" = {{dictionary = "{name}", probability = 0.8}}' for name in known]
    path.write_text("\n".join(lines) + "\n")
