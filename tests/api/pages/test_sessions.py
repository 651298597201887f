"""Sessions: how they begin, where they hold, and how they end."""

from http.cookies import SimpleCookie

import pytest

from node.http.public_url import PublicUrl
from node.http.session_cookie import PLAIN, SECURE
from node.identity.actions import Role
from node.identity.sessions import RECENT_S, SESSION_S
from tests.api.conftest import AddressBook, Registry, StartRegistry
from tests.api.pages.browser import Browser, check_harmless
from tests.api.scene import ANN, PASSWORD, bearer
from tests.fakes.identity import OPERATOR_SECRET


@pytest.fixture
async def closed(start_registry: StartRegistry) -> Registry:
    registry = await start_registry(
        accounts=True, public_url=PublicUrl("https://registry.example"), is_open=False
    )
    await registry.identity.accounts.put_user("ann", password=PASSWORD, disabled=False, create=True)
    return registry


def cookie_of(answer, name: str):
    [field] = answer.headers.getall("Set-Cookie")
    return field, SimpleCookie(field)[name]


async def test_behind_tls_the_cookie_is_for_this_host_alone(closed: Registry):
    """Broken: the session can be read on the way, by a script, or be put there by a neighbour."""
    browser = Browser(closed, tls=True)
    answer = await browser.log_in("ann")
    assert answer.status == 303
    assert answer.headers["Location"] == "/ui/"
    field, cookie = cookie_of(answer, "__Host-atoll-session")
    assert SECURE == "__Host-atoll-session"
    assert cookie["secure"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert cookie["path"] == "/"
    assert cookie["max-age"] == str(int(SESSION_S))
    assert "domain" not in field.lower()
    assert (await browser.get("/ui/")).status == 200


async def test_by_plain_http_there_is_a_session_on_the_own_machine(closed: Registry):
    browser = Browser(closed)
    answer = await browser.log_in("ann")
    assert answer.status == 303
    _, cookie = cookie_of(answer, "atoll-session")
    assert PLAIN == "atoll-session"
    assert not cookie["secure"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert (await browser.get("/ui/")).status == 200


async def test_by_plain_http_from_elsewhere_nobody_logs_in(start_registry: StartRegistry):
    """Broken: a password crosses a network for everybody to read."""
    registry = await start_registry(accounts=True, is_open=False)
    browser = Browser(registry)
    browser.fields = {"Host": "registry.example:5000"}
    shown = await browser.get("/ui/login")
    assert shown.status == 200
    assert b'type="password"' not in shown.body
    answer = await browser.log_in("ann")
    assert answer.status == 403
    assert "Set-Cookie" not in answer.headers
    assert b"https" in answer.body


@pytest.mark.parametrize(
    "sent", [{}, {"tls": True}], ids=["the plain name behind TLS", "the other here"]
)
async def test_a_cookie_counts_under_its_own_name_only(closed: Registry, sent: dict[str, bool]):
    """Broken: a neighbour below the same domain, which can set cookies without the prefix, logs
    somebody in as who it likes."""
    tls = not sent
    browser = Browser(closed, tls=tls)
    await browser.log_in("ann")
    other = Browser(closed, tls=tls)
    other.cookies = {PLAIN if tls else SECURE: browser.session}
    assert (await other.get("/ui/")).status == 401
    two = Browser(closed, tls=tls)
    two.cookies = {**browser.cookies, "other": "1"}
    assert (await two.get("/ui/")).status == 200


async def test_one_cookie_twice_is_none(closed: Registry):
    browser = Browser(closed)
    await browser.log_in("ann")
    answer = await Browser(closed).get("/ui/", Cookie=f"{PLAIN}={browser.session}; {PLAIN}=x")
    assert answer.status == 401


async def test_a_log_in_gets_another_session_and_ends_the_one_before(closed: Registry):
    """Broken: whoever has put a session into a browser is in it once somebody logs in there."""
    browser = Browser(closed)
    await browser.log_in("ann")
    before, proof = browser.session, await browser.proof()
    await browser.log_in("ann")
    assert browser.session != before
    assert await browser.proof() != proof
    assert (await Browser(closed).get("/ui/", Cookie=f"{PLAIN}={before}")).status == 401
    assert (await browser.get("/ui/")).status == 200


async def test_a_session_ends_everywhere_when_somebody_logs_out(closed: Registry):
    """Broken: who has a copy of the cookie goes on."""
    browser, elsewhere = Browser(closed), Browser(closed)
    await browser.log_in("ann")
    await elsewhere.log_in("ann")
    kept = browser.session
    answer = await browser.post("/ui/logout", {"proof": await browser.proof()})
    assert (answer.status, answer.headers["Location"]) == (303, "/ui/logout")
    assert browser.session == ""
    assert (await browser.get("/ui/logout")).status == 200
    sessions = closed.identity.sessions
    assert await sessions.find(kept) is None
    # What this node remembers of it is not what others go by.
    sessions._ended_here.clear()
    assert await sessions.find(kept) is None
    assert await sessions.find(elsewhere.session) is not None


async def test_many_that_were_ended_end_all_that_began_before(closed: Registry):
    """Broken: what is kept of somebody grows with each time that they log out."""
    identity = closed.identity
    account = await identity.login.log_in("ann", PASSWORD)
    assert account is not None
    await identity.ensure_key()
    others = [identity.sessions.begin(account) for _ in range(66)]
    for session in others[:65]:
        await identity.sessions.end(session)
    identity.sessions._ended_here.clear()
    document = identity.directory.ended_sessions(account.id)
    assert document is not None
    assert not document.ended
    assert await identity.sessions.find(others[65].token) is None
    closed.time.now += 1
    again = identity.sessions.begin(account)
    assert await identity.sessions.find(again.token) is not None
    await identity.sessions.end(again)
    closed.time.now += SESSION_S + 1
    await identity.sessions.end(identity.sessions.begin(account))
    document = identity.directory.ended_sessions(account.id)
    assert document is not None
    assert len(document.ended) == 1, "what has ended by itself is not told any more"


async def test_a_session_ends_by_itself(closed: Registry):
    browser = Browser(closed)
    await browser.log_in("ann")
    closed.time.now += SESSION_S - 1
    assert (await browser.get("/ui/")).status == 200
    closed.time.now += 1
    assert (await browser.get("/ui/")).status == 401


@pytest.mark.parametrize("change", ["password", "disabled", "deleted", "made anew"])
async def test_a_session_ends_with_what_it_was_begun_by(closed: Registry, change: str):
    """Broken: who was locked out goes on in a browser that is open."""
    browser, accounts = Browser(closed), closed.identity.accounts
    await browser.log_in("ann")
    match change:
        case "password":
            await accounts.set_password("ann", "another long password")
        case "disabled":
            await accounts.put_user("ann", password=None, disabled=True, create=False)
        case _:
            await accounts.delete_user("ann")
    if change == "made anew":
        await accounts.put_user("ann", password=PASSWORD, disabled=False, create=True)
    assert (await browser.get("/ui/")).status == 401


async def test_a_session_ends_with_the_key_that_signed_it(closed: Registry):
    browser = Browser(closed)
    await browser.log_in("ann")
    [key] = closed.identity.directory.keys()
    await closed.identity.accounts.revoke_key(key.id)
    assert (await browser.get("/ui/")).status == 401


async def test_a_node_that_is_cut_off_for_too_long_knows_no_session(closed: Registry):
    """Broken: who was locked out elsewhere goes on here for as long as the session has."""
    browser = Browser(closed)
    await browser.log_in("ann")
    closed.authority.apart = 3601.0
    answer = await browser.get("/ui/")
    assert answer.status == 503
    assert b"login_cutoff_s" in answer.body
    operator = Browser(closed)
    assert (await operator.log_in("operator", OPERATOR_SECRET)).status == 303
    assert (await operator.get("/ui/")).status == 200


async def test_any_node_knows_a_session(start_registry: StartRegistry):
    """Broken: behind a load balancer people are logged out with every second page."""
    one = await start_registry(node="one", neighbours=AddressBook(), accounts=True, is_open=False)
    await one.identity.accounts.put_user("ann", password=PASSWORD, disabled=False, create=True)
    browser = Browser(one)
    await browser.log_in("ann")
    proof = await browser.proof()
    two = await start_registry(node="two", neighbours=AddressBook(), accounts=True, is_open=False)
    assert (await Browser(two).get("/ui/", Cookie=f"{PLAIN}={browser.session}")).status == 401
    await copied(one, two)
    browser.registry = two
    assert (await browser.get("/ui/")).status == 200
    assert await browser.proof() == proof
    assert (await browser.post("/ui/logout", {"proof": proof})).status == 303


async def copied(one: Registry, other: Registry) -> None:
    """Have the settings of *one* in *other* as well, as replication does."""
    from node.identity.documents import KINDS
    from node.registry.values import PutSetting

    for kind in set(KINDS.values()):
        for name in one.index.metadata.settings(kind, "", 1000).items:
            for head in one.index.metadata.setting_heads(kind, name):
                assert head.value is not None
                await other.index.metadata.put(PutSetting(kind, name, head.value, ()))


async def test_a_form_is_of_one_session(closed: Registry):
    """Broken: a page of another site sends a form for who is logged in here."""
    browser, other = Browser(closed), Browser(closed)
    await browser.log_in("ann")
    await other.log_in("ann")
    for proof in ("", "x" * 64, await other.proof(), "ä"):
        answer = await browser.post("/ui/logout", {"proof": proof})
        assert answer.status == 403, proof
        assert b"earlier log-in" in answer.body
    assert (await browser.get("/ui/")).status == 200


FOREIGN = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": ""},
    {"Origin": "https://evil.example"},
    {"Origin": "https://evil.example", "Sec-Fetch-Site": ""},
    {"Origin": "https://registry.example.evil", "Sec-Fetch-Site": ""},
    {"Origin": "", "Sec-Fetch-Site": ""},
    {"Origin": "file://", "Sec-Fetch-Site": ""},
    {"Origin": "https://", "Sec-Fetch-Site": ""},
]


@pytest.mark.parametrize("fields", FOREIGN, ids=str)
async def test_forms_from_elsewhere_are_refused(closed: Registry, fields: dict[str, str]):
    browser = Browser(closed, tls=True)
    await browser.log_in("ann")
    proof = await browser.proof()
    answer = await browser.post("/ui/logout", {"proof": proof}, **fields)
    assert answer.status == 403
    assert (await browser.get("/ui/")).status == 200
    answer = await Browser(closed, tls=True).log_in("ann", **fields)
    assert answer.status == 403
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    "fields",
    [
        {"Origin": "https://registry.example"},
        {"Origin": "https://registry.example", "Sec-Fetch-Site": ""},
        {"Origin": "", "Sec-Fetch-Site": "same-origin"},
    ],
    ids=str,
)
async def test_forms_of_own_pages_are_taken(closed: Registry, fields: dict[str, str]):
    browser = Browser(closed, tls=True)
    assert (await browser.log_in("ann", **fields)).status == 303
    answer = await browser.post("/ui/logout", {"proof": await browser.proof()}, **fields)
    assert answer.status == 303


async def test_a_page_takes_neither_basic_nor_bearer(closed: Registry):
    """Broken: what a browser keeps for the API opens pages, past all that forms have to show."""
    identity = closed.identity
    await identity.ensure_key()
    account = await identity.login.log_in("ann", PASSWORD)
    assert account is not None
    token = identity.tokens.issue(account, (), refresh=True)
    assert token.refresh is not None
    for fields in (ANN, bearer(token.token), bearer(token.refresh)):
        answer = await Browser(closed).get("/ui/", **fields)
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"].startswith("Session ")
    for kept in (token.token, token.refresh):
        assert (await Browser(closed).get("/ui/", Cookie=f"{PLAIN}={kept}")).status == 401


async def test_the_api_takes_no_cookie(start_registry: StartRegistry):
    """Broken: a page of another site reads and writes with the session of who looks at it."""
    closed = await start_registry(accounts=True)
    await closed.identity.accounts.put_user("ann", password=PASSWORD, disabled=False, create=True)
    browser = Browser(closed)
    await browser.log_in("ann")
    assert (await browser.get("/ui/")).status == 200
    for path in ("/v2/", "/v2/_catalog", "/atoll/v1/account", "/atoll/v1/attention"):
        answer = await browser.get(path)
        assert answer.status == 401, path
    session = browser.session
    for fields in (bearer(session), {"Authorization": f"Session {session}"}):
        assert (await closed.call("GET", "/v2/", headers=fields)).status == 401


async def test_only_a_password_opens_a_page(closed: Registry):
    accounts = closed.identity.accounts
    made = await accounts.add_credential("ann", "ci", expires=0.0, role=Role.ADMIN, patterns=())
    await accounts.put_project("lib", public=False, denies=())
    await accounts.put_robot("lib+ci", expires=0.0, disabled=False, create=True)
    robot = await accounts.add_credential("lib+ci", "ci", expires=0.0, role=Role.ADMIN, patterns=())
    for name, secret in (("ann", made.secret.text), ("lib+ci", robot.secret.text)):
        answer = await Browser(closed).log_in(name, secret)
        assert answer.status == 403
        assert b"for programs" in answer.body
        assert "Set-Cookie" not in answer.headers


async def test_a_wrong_password_is_told_in_the_form(closed: Registry):
    """Broken: what was typed is gone, or the answer tells who exists."""
    told = []
    for name in ("ann", "nobody"):
        answer = await Browser(closed).log_in(name, "wrong", onward="/ui/?x=1")
        assert answer.status == 401
        assert "Set-Cookie" not in answer.headers
        check_harmless(answer.body)
        text = answer.body.decode()
        assert f'value="{name}"' in text
        assert 'value="/ui/?x=1"' in text
        assert 'aria-invalid="true"' in text
        assert "wrong" not in text.replace("Wrong name", "")
        told.append(text.replace(f'value="{name}"', "").partition("<footer")[0])
    assert told[0] == told[1]


async def test_guesses_have_to_wait(closed: Registry):
    for number in range(20):
        answer = await Browser(closed).log_in("ann", f"wrong {number}")
        if answer.status == 429:
            break
    assert answer.status == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert b"try again in" in answer.body


@pytest.mark.parametrize(
    "onward",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "/v2/",
        "javascript:alert(1)",
        "/ui/\r\nSet-Cookie: a=b",
        "/uix",
        "\\/ui/",
        "/ui/ x",
        "ui/",
        "",
    ],
)
async def test_one_goes_on_to_own_pages_only(closed: Registry, onward: str):
    """Broken: a link that logs somebody in here leads on to a page that looks like this one."""
    answer = await Browser(closed).log_in("ann", onward=onward)
    assert (answer.status, answer.headers["Location"]) == (303, "/ui/")


@pytest.mark.parametrize("onward", ["/ui", "/ui/", "/ui/i/a/b:1.0?platform=x", "/ui/?a=b#c"])
async def test_one_goes_on_to_where_one_was(closed: Registry, onward: str):
    answer = await Browser(closed).log_in("ann", onward=onward)
    assert answer.headers["Location"] == onward


async def test_a_log_in_is_recent_for_a_while(closed: Registry):
    from node.identity.errors import LoginTooOld

    sessions = closed.identity.sessions
    browser = Browser(closed)
    await browser.log_in("ann")
    found = await sessions.find(browser.session)
    assert found is not None
    closed.time.now += RECENT_S - 1
    sessions.check_recent(found)
    closed.time.now += 1
    with pytest.raises(LoginTooOld):
        sessions.check_recent(found)


async def test_a_session_that_could_not_be_ended_everywhere_is_told(closed: Registry):
    """Broken: somebody thinks that a copy of their cookie is worth nothing."""
    browser = Browser(closed)
    await browser.log_in("ann")
    proof, kept = await browser.proof(), browser.session
    closed.replicator.not_durable = True
    answer = await browser.post("/ui/logout", {"proof": proof})
    assert answer.status == 503
    assert b"other nodes may not know it yet" in answer.body
    check_harmless(answer.body)
    assert browser.session == ""
    assert await closed.identity.sessions.find(kept) is None


async def test_nobody_logs_in_where_all_is_open(start_registry: StartRegistry):
    registry = await start_registry()
    browser = Browser(registry)
    assert (await browser.get("/ui/")).status == 200
    assert (await browser.get("/ui/login?next=/ui/")).status == 303
    assert (await browser.log_in("ann")).status == 303
    assert browser.session == ""
