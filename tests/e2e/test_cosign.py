"""cosign: signatures that lie beside the image that they are for, as referrers or under a tag."""

from pathlib import Path

import pytest

from tests.e2e.clients import require, run, run_refused
from tests.e2e.oci_layout import Descriptor

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

_PLAIN = ("--allow-http-registry", "--allow-insecure-registry")
# No log of signatures, and no list of such logs: both are elsewhere on the internet.
_NO_LOG = ("--yes", "--tlog-upload=false", "--use-signing-config=false")


@pytest.mark.parametrize(
    ("mode", "tags"),
    [
        pytest.param((), ["1"], id="referrer"),
        pytest.param(("--new-bundle-format=false",), ["1", "{digest}.sig"], id="tag"),
    ],
)
def test_an_image_is_signed_here_and_verified_there(
    hosts: list[str],
    layout: tuple[Path, Descriptor],
    tmp_path: Path,
    mode: tuple[str, ...],
    tags: list[str],
) -> None:
    """If this fails, who admits signed images only admits none in the other regions."""
    directory, image = layout
    first, second, third = hosts
    repository = f"cosign/{len(tags)}"
    for name in ("ours", "theirs"):
        _cosign(tmp_path, "generate-key-pair", "--output-key-prefix", name)
    run([require("crane"), "push", directory, f"{first}/{repository}:1"])
    signed = f"{repository}@{image.digest}"
    verify = ["verify", *_PLAIN, *mode, "--insecure-ignore-tlog"]
    ours = [*verify, "--key", "ours.pub"]
    assert "no signatures found" in _refused(tmp_path, *ours, f"{third}/{signed}")

    sign = ["sign", *_PLAIN, *_NO_LOG, *mode, "--key", "ours.key"]
    _cosign(tmp_path, *sign, f"{second}/{signed}")
    for host in hosts:
        assert image.digest in _cosign(tmp_path, *ours, f"{host}/{signed}")
        # And by the tag, as a policy in a cluster would ask.
        assert image.digest in _cosign(tmp_path, *ours, f"{host}/{repository}:1")
        assert _refused(tmp_path, *verify, "--key", "theirs.pub", f"{host}/{signed}")
    found = run([require("crane"), "ls", f"{third}/{repository}"]).splitlines()
    assert found == [tag.format(digest=image.digest.replace(":", "-")) for tag in tags]


def test_an_attestation_is_found_beside_a_signature(
    hosts: list[str], layout: tuple[Path, Descriptor], tmp_path: Path
) -> None:
    """If this fails, of several things that refer to an image only one is found."""
    directory, image = layout
    first, second, third = hosts
    (tmp_path / "statement.json").write_text('{"reviewed": true}')
    _cosign(tmp_path, "generate-key-pair")
    run([require("crane"), "push", directory, f"{first}/cosign/attested:1"])
    signed = f"cosign/attested@{image.digest}"
    with_key = [*_PLAIN, *_NO_LOG, "--key", "cosign.key"]
    statement = ["--type", "custom", "--predicate", "statement.json"]
    _cosign(tmp_path, "sign", *with_key, f"{first}/{signed}")
    _cosign(tmp_path, "attest", *with_key, *statement, f"{second}/{signed}")
    verify = [*_PLAIN, "--insecure-ignore-tlog", "--key", "cosign.pub"]
    for host in (first, third):
        assert image.digest in _cosign(tmp_path, "verify", *verify, f"{host}/{signed}")
        _cosign(tmp_path, "verify-attestation", *verify, "--type", "custom", f"{host}/{signed}")


def _cosign(directory: Path, *arguments: str) -> str:
    return run([require("cosign"), *arguments], cwd=directory, env=_environment(directory))


def _refused(directory: Path, *arguments: str) -> str:
    """Run what cosign must refuse; returns what it says of that."""
    return run_refused([require("cosign"), *arguments], cwd=directory, env=_environment(directory))


def _environment(directory: Path) -> dict[str, str]:
    # An empty password, and no settings, log-ins and trust of the user's own.
    return {"COSIGN_PASSWORD": "", "HOME": str(directory), "DOCKER_CONFIG": str(directory)}
