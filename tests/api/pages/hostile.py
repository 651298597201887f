"""An image whose maker wants the page to do something."""

import json
from typing import Final

from cluster.model import Digest
from tests.api.conftest import Registry
from tests.builders import an_image, descriptor, encoded

REPOSITORY: Final = "lib/evil"
TAG: Final = "t" * 128

SCRIPT: Final = "</script><script>alert(1)</script>"
TURNED: Final = "\u202egpj.exe\u2066"
LINK: Final = "javascript:alert(document.cookie)"
LAYERS: Final = 5000


async def push_hostile(registry: Registry) -> Digest:
    """Push it: markup and direction marks wherever there is text, and 5,000 layers."""
    evil = f"{SCRIPT}{TURNED}<img src=x onerror=alert(1)>"
    steps = [{"created_by": f"RUN {evil}{'x' * 1000}", "comment": evil, "created": evil}]
    steps += [{"created_by": "RUN"}] * (LAYERS - 1)
    config = json.dumps(
        {
            "os": evil,
            "architecture": evil,
            "author": evil,
            "created": evil,
            "history": steps,
            "config": {
                "User": evil,
                "WorkingDir": evil,
                "Entrypoint": [evil, evil],
                "Cmd": [evil],
                "Labels": {
                    evil: evil,
                    "org.opencontainers.image.url": LINK,
                    "ok": "https://a.example/x",
                },
            },
        }
    ).encode()
    layer = (await registry.push_blob(REPOSITORY, b"layer"), 5)
    named = (await registry.push_blob(REPOSITORY, config), len(config))
    texts = {evil[:200]: evil, "url": LINK, "turned": f"https://a.example/{TURNED}"}
    body = encoded(an_image(named, *[layer] * LAYERS, annotations=texts))
    answer = await registry.put_manifest(REPOSITORY, TAG, body)
    assert answer.status == 201, answer.body
    subject = descriptor(Digest.of(body), len(body))
    attached = encoded(an_image(named, subject=subject, artifactType="a/sbom", annotations=texts))
    answer = await registry.put_manifest(REPOSITORY, Digest.of(attached), attached)
    assert answer.status == 201, answer.body
    return Digest.of(body)
