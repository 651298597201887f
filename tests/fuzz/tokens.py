"""What comes in Authorization, and what is posted for a token: tokens, passwords, secrets."""

import base64
import string
from collections.abc import Callable
from typing import Any, ClassVar, Final
from urllib.parse import quote, quote_plus

import msgspec
from hypothesis import strategies as st
from joserfc.jwk import OKPKey

from node.identity.actions import Role
from node.shares.lockout import Lockout
from tests.api.conftest import StartRegistry
from tests.api.scene import PASSWORD, a_scene
from tests.fakes.identity import OPERATOR_SECRET
from tests.fuzz.asking import Asker
from tests.fuzz.edits import Edit, edited, edits
from tests.fuzz.forgery import parts_of, signed, unsigned, with_shared_secret
from tests.fuzz.target import Target, must

_IMAGE: Final = "/v2/lib/app/manifests/v1"
_PULL: Final = "repository:lib/app:pull"
_LIFE_S: Final = 300

_WAYS: Final = ("issued", "refresh", "foreign key", "right key", "shared secret",
                    "unsigned", "basic",
                "form", "noise", "issued", "noise", "respelled")  # fmt: skip
_SCHEMES: Final = (
    b"Bearer ",
    b"bearer ",
    b"BEARER  ",
    b"Bearer",
    b"Basic ",
    b"Token ",
    b"",
    b"Bearer\t",
)
_NOISE: Final = (
    b"Bearer eyJhbGciOiJub25lIn0.e30.", b"Bearer ..", b"Bearer a.b.c", b"Basic Og==", b"Basic !!!",
    b"Bearer e30.e30.e30", b"Basic YW5uOg==", b"Basic \xc3\xa9", b"Bearer \xff\xfe", b"Basic \xff",
    b"Bearer " + b"a" * 7000, b"Basic " + b"YTph" * 1000, b"Digest username=x", b"\x00", b"Basic  ",
    b"Bearer eyJhbGciOiJFZDI1NTE5Iiwia2lkIjpbXSwidHlwIjoiYXQrand0In0.e30.AAAA", b"Bearer [].[].[]",
    b"Bearer W10.W10.W10", b"Bearer bnVsbA.bnVsbA.", b"Basic 77-9Og==",
    b"Bearer 1.2.3.4.5", b"Bearer",
)  # fmt: skip

_ALPHABET: Final = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
"""Of base64url; 64 bytes leave four bits of its last letter to nobody."""

_JUNK: Final[st.SearchStrategy[Any]] = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 2**64), st.floats(allow_nan=False,
    allow_infinity=False), st.text(max_size=4),
    st.lists(st.text(max_size=2), max_size=2), st.dictionaries(st.text(max_size=2), st.none()),
    st.sampled_from(["access", "at+jwt", "none", "EdDSA", "HS256", "atoll", "Ed25519",
    1e308, [[[]]]]),
)  # fmt: skip
_HEADER: Final = st.dictionaries(
    st.sampled_from(["alg", "kid", "typ", "jwk", "jku", "x5u", "crit", "b64", "zip", "enc", "cty"]),
    _JUNK,
    max_size=2,
)
_CLAIMS: Final = st.dictionaries(
    st.sampled_from(
        ["iss", "aud", "sub", "name", "how", "iat", "nbf", "exp", "jti", "access", "x"]
    ),
    _JUNK,
    max_size=2,
)


class TokenInput(msgspec.Struct, frozen=True):
    way: str
    scheme: bytes
    edits: list[Edit]
    header: dict[str, Any]
    claims: dict[str, Any]
    """What is other in the token than it was."""

    later_s: int
    """Seconds between giving the token out and its coming back."""

    name: str
    password: str
    noise: bytes

    who: str = ""
    """Whom a token that is made names; "of before": its owner, by a password of before; empty: its
    owner."""


class Tokens(Target):
    """What was given out is taken, as long as it lives; nothing else ever is."""

    name: ClassVar = "tokens"
    input_type: ClassVar = TokenInput
    expected: ClassVar = frozenset(
        {"issued 200", "issued 401", "basic 200", "basic 401", "form 200", "form 401", "form 400",
         "refresh 200", "refresh 401", "right key 200", "right key 401", "foreign key 401",
         "shared secret 401", "unsigned 401", "respelled 401", "noise 401", "issued, too old"}
    )  # fmt: skip

    def inputs(self) -> st.SearchStrategy[TokenInput]:
        names = st.one_of(
            st.sampled_from(
                ["ann", "ann", "operator", "lib+ci", "bob", "", "ANN", "ann\x00", "a" * 300]
            ),
            st.text(max_size=5),
        )
        passwords = st.one_of(
            st.sampled_from([PASSWORD, PASSWORD, "SECRET", OPERATOR_SECRET, "", PASSWORD + " "]),
            st.text(max_size=5),
        )
        few = st.one_of(st.just([]), edits(1), edits(3))
        return st.builds(
            TokenInput,
            way=st.sampled_from(_WAYS),
            scheme=st.one_of(*[st.just(b"Bearer ")] * 4, st.sampled_from(_SCHEMES)),
            edits=few,
            header=st.one_of(st.just({}), st.just({}), _HEADER),
            claims=st.one_of(st.just({}), st.just({}), _CLAIMS),
            later_s=st.sampled_from([0] * 6 + [1, _LIFE_S - 1, _LIFE_S, _LIFE_S + 1]),
            name=names,
            password=passwords,
            noise=st.builds(
                edited, st.one_of(st.sampled_from(_NOISE), st.binary(max_size=40)), few
            ),
            who=st.sampled_from(["", "", "", "bob", "operator", "nobody", "of before"]),
        )

    async def open(self, start: StartRegistry) -> None:
        self._scene = await a_scene(start)
        self.registry = self._scene.registry
        self.asker = Asker(self.registry)
        accounts = self._scene.accounts
        await accounts.put_robot("lib+ci", expires=0.0, disabled=False, create=True)
        await accounts.grant("lib", "lib+ci", Role.PULLER, (), 0.0)
        made = await accounts.add_credential(
            "lib+ci", "ci", expires=0.0, role=Role.PULLER, patterns=()
        )
        self._secret = made.secret.text
        self._foreign = OKPKey.generate_key("Ed25519")

    def forget(self) -> None:
        super().forget()
        self._scene.identity.tokens._remembered.clear()
        self._scene.identity.login._remembered.clear()

    async def attempt(self, given: TokenInput) -> list[str]:
        # Each input comes as if from a network of its own: that who guesses has to wait is tried
        # elsewhere, and nothing would be got past it here.
        self._scene.identity.attempts._lockout = Lockout()
        match given.way:
            case "issued":
                return await self._issued(given)
            case "refresh":
                return await self._refreshed(given)
            case "basic":
                return await self._basic(given)
            case "form":
                return await self._form(given)
            case "noise":
                reply = await self._pull(given.noise)
                must(reply in (400, 401, 431), "noise is taken", given.noise, reply)
                return [f"noise {reply}"]
            case "respelled":
                token = await self._token()
                status = await self._pull(f"Bearer {_respelled(token, given.later_s)}".encode())
                must(status == 401, "a token has two spellings", token)
                return [f"respelled {status}"]
            case way:
                return await self._made(given, way)

    async def _pull(self, field: bytes) -> int:
        reply = await self.asker.ask("GET", _IMAGE, {"Authorization": field})
        return reply.status

    async def _token(self) -> str:
        fields = await self._scene.token("ann", _PULL)
        return fields["Authorization"].removeprefix("Bearer ")

    async def _issued(self, given: TokenInput) -> list[str]:
        token = (await self._token()).encode()
        self._scene.registry.time.now += given.later_s
        changed = edited(token, given.edits)
        sent = _cleaned(given.scheme + changed)
        status = await self._pull(sent)
        scheme, _, rest = sent.partition(b" ")
        right = scheme.lower() == b"bearer" and rest.strip(b" \t") == token
        lives = given.later_s < _LIFE_S
        must((status == 200) == (right and lives), status, "for", sent, "of", token, given.later_s)
        return [f"issued {status}", *(["issued, too old"] if right and not lives else [])]

    async def _made(self, given: TokenInput, way: str) -> list[str]:
        header, claims = parts_of(await self._token())
        others = {"bob": "bob", "operator": "operator", "nobody": ""}
        named = {} if given.who not in others else {"name": others[given.who]}
        if given.who == "of before":
            named = {"how": f"password/{'0' * 32}"}
        header, changed = {**header, **given.header}, {**claims, **named, **given.claims}
        own = OKPKey.import_key(dict(self._scene.identity.signer._own[0].jwk))
        public = base64.urlsafe_b64decode(str(own.as_dict(private=False)["x"]) + "=")
        makers: dict[str, Callable[[], str]] = {
            "right key": lambda: signed(header, changed, own),
            "foreign key": lambda: signed(header, changed, self._foreign),
            "shared secret": lambda: with_shared_secret(header, changed, public),
            "unsigned": lambda: unsigned(header, changed),
        }
        token = makers[way]()
        status = await self._pull(b"Bearer " + token.encode())
        must(way == "right key" or status != 200, "a forged token", way, header, changed)
        if status == 200:
            kept = {key: changed[key] for key in ("iss", "aud", "sub", "name", "how", "access")}
            must(kept == {key: claims[key] for key in kept}, "it says something else", changed)
            must(header.keys() == {"alg", "kid", "typ"}, "its header", header)
            now = self._scene.registry.time.now
            must(changed["nbf"] - 30 <= now < changed["exp"], "not of now", changed)
        else:
            must(
                bool(given.header or given.claims or given.who) or way != "right key",
                header,
                changed,
            )
        return [f"{way} {status}"]

    async def _refreshed(self, given: TokenInput) -> list[str]:
        """A refresh token opens nothing by itself, and gets a token for who it is of."""
        token = await self._scene.refresh_token("ann")
        opened = await self.asker.ask("GET", "/v2/", {"Authorization": f"Bearer {token}"})
        must(opened.status == 401, "it opens something", token)
        changed = _cleaned(edited(token.encode(), given.edits))
        form = b"grant_type=refresh_token&refresh_token=" + quote_plus(changed).encode()
        reply = await self.asker.ask("POST", "/token", {}, form)
        must((reply.status == 200) == (changed == token.encode()), changed, "of", token, reply)
        return [f"refresh {reply.status}"]

    def _password(self, given: TokenInput) -> str:
        return self._secret if given.password == "SECRET" else given.password

    def _is_right(self, name: str, password: str) -> bool:
        right = {
            "ann": PASSWORD,
            "bob": PASSWORD,
            "operator": OPERATOR_SECRET,
            "lib+ci": self._secret,
        }
        return right.get(name) == password

    async def _basic(self, given: TokenInput) -> list[str]:
        name, password = given.name, self._password(given)
        text = base64.b64encode(f"{name}:{password}".encode())
        field = _cleaned(b"Basic " + edited(text, given.edits))
        reply = await self.asker.ask("GET", "/v2/", {"Authorization": field})
        if not given.edits:
            shown = name.partition(":")[0], (name + ":" + password).partition(":")[2]
            must((reply.status == 200) == self._is_right(*shown), name, password, reply)
        if reply.status == 200:
            decoded = base64.b64decode(field.removeprefix(b"Basic ")).decode()
            must(self._is_right(*decoded.split(":", 1)), "a wrong password", decoded)
        return [f"basic {reply.status}"]

    async def _form(self, given: TokenInput) -> list[str]:
        name, password = given.name, self._password(given)
        text = f"grant_type=password&username={quote(name)}&password={quote_plus(password)}&x=y"
        form = edited(text.encode(), given.edits)
        reply = await self.asker.ask("POST", "/token", {}, form)
        if not given.edits:
            must((reply.status == 200) == self._is_right(name, password), form, reply)
        if reply.status == 200:
            _, claims = parts_of(msgspec.json.decode(reply.body)["token"])
            must(claims["name"] in ("ann", "bob", "operator", "lib+ci"), form, claims)
            must(not claims["access"], "it is for what was not asked", form, claims)
        return [f"form {reply.status}"]


def _respelled(token: str, number: int) -> str:
    """*token* with bits changed that its last letter has and its signature has not."""
    value = _ALPHABET.index(token[-1])
    return token[:-1] + _ALPHABET[value ^ (1 + number % 15)]


def _cleaned(field: bytes) -> bytes:
    """As it goes over the wire: lines end a field."""
    return field.replace(b"\r", b" ").replace(b"\n", b" ").strip(b" \t")
