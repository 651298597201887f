"""What Dockerfile and docker-compose.yml say, for whoever cannot build an image."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_user_of_the_image_is_a_number():
    """Broken: Kubernetes refuses the image where containers must not run as root."""
    users = re.findall(r"^USER (.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert len(users) == 1
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[0])


def test_three_services_share_one_build():
    """Broken: the same image is built three times, at once, on one machine."""
    text = (ROOT / "docker-compose.yml").read_text()
    assert len(re.findall(r"^\s+build:", text, re.MULTILINE)) == 1
    assert re.findall(r"^\s+image: (.*)$", text, re.MULTILINE) == ["atoll"], "one, in x-node"
    assert len(re.findall(r"<<: \*node$", text, re.MULTILINE)) == 3


def test_the_services_begin_one_cluster():
    """Broken: the nodes wait for ever for one that has another name."""
    text = (ROOT / "docker-compose.yml").read_text()
    names = re.findall(r"^\s+ATOLL_NODE: (.*)$", text, re.MULTILINE)
    assert re.findall(r"^\s+ATOLL_INITIAL: (.*)$", text, re.MULTILINE) == [",".join(names)]
