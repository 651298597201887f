"""BuildKit: images and, beside them, what it remembers of each step of a build."""

import random
import tarfile
from pathlib import Path

import pytest

from tests.e2e.clients import require, run
from tests.e2e.daemons import Buildkitd
from tests.e2e.root_filesystem import busybox_image

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

# What the first stage makes is different each time it is made, so it is the same in two images
# only where the second was built from a cache. The second one has another `source`, so it finds
# nothing of the last stage, and of the first stage only what `mode=max` keeps.
_DOCKERFILE = """\
FROM {base} AS compile
RUN ["/bin/busybox", "sh", "-c", "busybox head -c 16 /dev/urandom > /made"]
FROM {base}
COPY {source} /source
COPY --from=compile /made /made
CMD ["/bin/busybox", "cat", "/made"]
"""


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("image-manifest=true,oci-mediatypes=true", id="manifest"),
        # An index whose children are no manifests, but layers: what BuildKit wrote for years.
        pytest.param("image-manifest=false,oci-mediatypes=true", id="index"),
        pytest.param("image-manifest=false,oci-mediatypes=false", id="docker-list"),
    ],
)
def test_a_build_goes_on_from_the_cache_of_another(
    hosts: list[str], buildkitd: Buildkitd, rng: random.Random, tmp_path: Path, kind: str
) -> None:
    """If this fails, each build machine does again what another one has done."""
    first, second, third = hosts
    repository = f"buildkit/{rng.randrange(1 << 32):x}"
    base = f"{first}/{repository}:base"
    busybox_image(base, tmp_path, hostname=repository)

    context = tmp_path / "context"
    context.mkdir()
    for name in ("a", "b"):
        (context / name).write_text(name)
    (context / "Dockerfile").write_text(_DOCKERFILE.format(base=base, source="a"))
    built = buildkitd.build(
        context,
        *("--output", f"type=image,name={first}/{repository}:1,push=true"),
        *("--export-cache", f"type=registry,ref={first}/{repository}:cache,mode=max,{kind}"),
    )
    assert _digest(f"{second}/{repository}:1") == built

    buildkitd.forget_everything()
    (context / "Dockerfile").write_text(_DOCKERFILE.format(base=base, source="b"))
    rebuilt = buildkitd.build(
        context,
        *("--output", f"type=image,name={third}/{repository}:2,push=true"),
        *("--import-cache", f"type=registry,ref={second}/{repository}:cache"),
    )
    assert _digest(f"{first}/{repository}:2") == rebuilt
    made = [
        _made(f"{first}/{repository}:2", tmp_path / "2.tar"),
        _made(f"{third}/{repository}:1", tmp_path / "1.tar"),
    ]
    assert made[0] == made[1]
    assert len(made[0]) == 16


def _digest(image: str) -> str:
    return run([require("crane"), "digest", image])


def _made(image: str, scratch: Path) -> bytes:
    """Return what the first stage made, out of the image's file system."""
    run([require("crane"), "export", image, scratch])
    with tarfile.open(scratch) as archive:
        file = archive.extractfile("made")
        assert file is not None
        return file.read()
