"""A registry where one has to log in, with some people in it."""

import base64
import json
from typing import Any, Final

from node.http.public_url import PublicUrl
from node.identity.actions import Role
from node.identity.login import NOBODY, Account
from node.identity.scopes import parse_scopes
from tests.api.conftest import Registry, StartRegistry
from tests.fakes.identity import OPERATOR_SECRET

PASSWORD: Final = "correct horse battery"

Fields = dict[str, str]


def basic(name: str, password: str = PASSWORD) -> Fields:
    given = base64.b64encode(f"{name}:{password}".encode()).decode()
    return {"Authorization": f"Basic {given}"}


def bearer(token: str) -> Fields:
    return {"Authorization": f"Bearer {token}"}


OPERATOR: Final = basic("operator", OPERATOR_SECRET)
ANN: Final = basic("ann")
BOB: Final = basic("bob")


class Scene:
    """
    ann is a pusher of the private project lib, bob of bobs; pub is public, and lib2 private and
    nobody's. In each is an image under `app:v1`.
    """

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.identity = registry.identity
        self.accounts = registry.identity.accounts
        self.digests: dict[str, str] = {}

    async def fill(self) -> None:
        for name in ("ann", "bob"):
            await self.accounts.put_user(name, password=PASSWORD, disabled=False, create=True)
        for project in ("lib", "lib2", "bobs", "pub"):
            await self.accounts.put_project(project, public=project == "pub", denies=())
            self.digests[project] = await self.push(project)
        await self.accounts.grant("lib", "ann", Role.PUSHER, (), 0.0)
        await self.accounts.grant("bobs", "bob", Role.PUSHER, (), 0.0)

    async def push(self, project: str) -> str:
        """An image of its own, pushed by the operator; the digest of its config."""
        self.registry.session.headers.update(OPERATOR)
        await self.registry.push_image(f"{project}/app", "v1", text=project)
        self.registry.session.headers.clear()
        answer = await self.call("GET", f"/v2/{project}/app/manifests/v1", OPERATOR)
        digest: str = answer.json["config"]["digest"]
        return digest

    async def call(self, method: str, path: str, who: Fields | None = None, **more: Any) -> Any:
        fields = {**(who or {}), **more.pop("headers", {})}
        return await self.registry.call(method, path, headers=fields, **more)

    async def status(self, method: str, path: str, who: Fields | None = None, **more: Any) -> int:
        status: int = (await self.call(method, path, who, **more)).status
        return status

    async def pull(self, who: Fields | None, repository: str = "lib/app") -> int:
        return await self.status("GET", f"/v2/{repository}/manifests/v1", who)

    async def start(self, who: Fields | None, repository: str = "lib/app") -> int:
        """Whether an upload can be opened there."""
        return await self.status("POST", f"/v2/{repository}/blobs/uploads/", who)

    async def account(self, name: str, password: str = PASSWORD) -> Account:
        found = await self.identity.login.log_in(name, password)
        assert found is not None
        return found

    async def token(self, name: str, *scopes: str, password: str = PASSWORD) -> Fields:
        """Of that user; or of a stranger."""
        account = await self.account(name, password) if name else NOBODY
        await self.identity.ensure_key()
        return bearer(self.identity.tokens.issue(account, parse_scopes(scopes)).token)

    async def refresh_token(self, name: str) -> str:
        await self.identity.ensure_key()
        issued = self.identity.tokens.issue(await self.account(name), [], refresh=True)
        assert issued.refresh is not None
        return issued.refresh

    async def refresh(self, token: str) -> Any:
        form = {"grant_type": "refresh_token", "refresh_token": token}
        return await self.registry.call("POST", "/token", data=form)


async def a_scene(start_registry: StartRegistry, public_url: PublicUrl | None = None) -> Scene:
    node = "" if public_url is None else "solo-2"
    scene = Scene(await start_registry(accounts=True, public_url=public_url, node=node))
    await scene.fill()
    return scene


def parts_of(token: Fields) -> tuple[dict[str, Any], dict[str, Any], str]:
    """The header and the claims of a token, and its signature."""
    head, body, signature = token["Authorization"].removeprefix("Bearer ").split(".")
    header, claims = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in (head, body))
    return header, claims, signature
