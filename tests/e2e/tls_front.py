"""haproxy with TLS before nodes, as docs/load-balancer.md has it."""

import re
import ssl
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.e2e.clients import require, run
from tests.e2e.guides import blocks
from tests.e2e.haproxy import DOCUMENT, Haproxy, configuration

_DAYS: Final = "2"


@dataclass(kw_only=True)
class TlsFront(Haproxy):
    """A haproxy that ends TLS with a certificate of its own. Use as a context manager."""

    @property
    def authority(self) -> Path:
        """The certificate that clients have to trust."""
        return self.directory / "registry.crt"

    def configured(self) -> str:
        bundle = self._made()
        text = configuration(self.http, self.nodes, self.control)
        [_, documented] = blocks(DOCUMENT.read_text(), "haproxy")
        bound = documented.replace(":443", self.http).replace(
            "/etc/haproxy/registry.pem", str(bundle)
        )
        assert self.http in bound
        assert str(bundle) in bound
        text, found = re.subn(r"    bind \S+\n", lambda _: bound, text)
        assert found == 1
        return text

    def is_up(self) -> bool:
        try:
            context = ssl.create_default_context(cafile=str(self.authority))
            with urllib.request.urlopen(
                f"https://{self.http}/readyz", timeout=5, context=context
            ) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def _made(self) -> Path:
        key, bundle = self.directory / "registry.key", self.directory / "registry.pem"
        run(
            [
                *(require("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes"),
                *("-keyout", key, "-out", self.authority, "-days", _DAYS, "-subj", "/CN=registry"),
                *("-addext", "subjectAltName=IP:127.0.0.1"),
            ]
        )
        bundle.write_bytes(self.authority.read_bytes() + key.read_bytes())
        return bundle
