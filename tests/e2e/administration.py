"""An operator who asks the admin API of a node, as the data directory lets them."""

import base64
import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

PASSWORD: Final = "correct horse battery"


def basic(name: str, password: str = PASSWORD) -> dict[str, str]:
    given = base64.b64encode(f"{name}:{password}".encode()).decode()
    return {"Authorization": f"Basic {given}"}


def asked(
    address: str, method: str, path: str, fields: dict[str, str] | None = None, body: Any = None
) -> tuple[int, bytes]:
    """The status and the body of one answer."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://{address}{path}", data, fields or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as exc:
        return exc.code, exc.read()


class Running(Protocol):
    """A node that runs."""

    @property
    def admin(self) -> Any: ...

    @property
    def data_dir(self) -> Path: ...


@dataclass(kw_only=True)
class Administration:
    """The admin API of *node*."""

    node: Running

    @property
    def operator(self) -> dict[str, str]:
        return basic("operator", (self.node.data_dir / "OPERATOR").read_text().strip())

    def do(self, method: str, path: str, body: Any = None) -> Any:
        """Ask what has to go well; returns the document."""
        path = f"/atoll/v1/{path}"
        status, answer = asked(str(self.node.admin), method, path, self.operator, body)
        assert 200 <= status < 300, (method, path, status, answer)
        return json.loads(answer) if answer else None

    def user(self, name: str) -> None:
        self.do("POST", "users", {"name": name, "password": PASSWORD})

    def project(self, name: str, *, public: bool = False) -> None:
        self.do("PUT", f"access/{name}", {"public": public})

    def role(self, project: str, subject: str, role: str) -> None:
        self.do("POST", f"access/{project}/roles", {"subject": subject, "role": role})
