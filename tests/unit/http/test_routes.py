"""Routing: what is not in the table is not served, and names cannot play tricks."""

import importlib
import pkgutil

import pytest

from node import admin, oci, ui
from node.edge import ENDPOINTS, SERVED
from node.errors import MethodNotAllowed, NameInvalid, RouteUnknown
from node.http.endpoint import METHODS, Action
from node.http.routing import Router

ROUTER = Router(ENDPOINTS)


@pytest.mark.parametrize(
    ("method", "path", "action", "repository", "variable"),
    [
        ("GET", "/v2/", Action.PING, "", ""),
        ("GET", "/v2", Action.PING, "", ""),
        ("GET", "/v2/_catalog", Action.CATALOG, "", ""),
        ("GET", "/v2/a/b/manifests/x", Action.MANIFEST_READ, "a/b", "x"),
        ("HEAD", "/v2/a/manifests/sha256%3Aab", Action.MANIFEST_READ, "a", "sha256:ab"),
        ("GET", "/v2/a/manifests/b/manifests/c", Action.MANIFEST_READ, "a/manifests/b", "c"),
        ("POST", "/v2/a/blobs/uploads/", Action.UPLOAD_START, "a", ""),
        ("POST", "/v2/a/blobs/uploads", Action.UPLOAD_START, "a", ""),
        ("PATCH", "/v2/a/blobs/uploads/u-1", Action.UPLOAD_APPEND, "a", "u-1"),
        ("GET", "/v2/tags/list/tags/list", Action.TAGS, "tags/list", ""),
        ("GET", "/v2/a/referrers/sha256:ab", Action.REFERRERS, "a", "sha256:ab"),
        ("DELETE", "/v2/a/blobs/sha256:ab", Action.BLOB_DELETE, "a", "sha256:ab"),
        ("GET", "/atoll/v1/repositories/a/b/tags/x", Action.TAG_READ, "a/b", "x"),
        ("POST", "/atoll/v1/repositories/a/tags/x/rollback", Action.TAG_ROLLBACK, "a", "x"),
        (
            "GET",
            "/atoll/v1/repositories/a/tags/tags/rollback",
            Action.TAG_READ,
            "a/tags",
            "rollback",
        ),
        (
            "POST",
            "/atoll/v1/repositories/tags/tags/tags/rollback",
            Action.TAG_ROLLBACK,
            "tags",
            "tags",
        ),
        ("GET", "/", Action.FRONT, "", ""),
        ("HEAD", "/readyz", Action.READY, "", ""),
        ("GET", "/atoll/v1/repositories", Action.REPOSITORIES, "", ""),
        ("GET", "/atoll/v1/repositories/a/b/@tags", Action.REPOSITORY_TAGS, "a/b", ""),
        ("GET", "/atoll/v1/repositories/a/tags/@tags", Action.REPOSITORY_TAGS, "a/tags", ""),
        ("GET", "/atoll/v1/repositories/a/tags/tags", Action.TAG_READ, "a", "tags"),
        ("GET", "/atoll/v1/search", Action.SEARCH, "", ""),
        ("GET", "/atoll/v1/conflicts", Action.CONFLICTS, "", ""),
        ("GET", "/atoll/v1/projects", Action.PROJECTS, "", ""),
        ("PUT", "/atoll/v1/projects/lib", Action.PROJECT_WRITE, "", "lib"),
        ("DELETE", "/atoll/v1/projects/a%2Fb", Action.PROJECT_DELETE, "", "a/b"),
        ("GET", "/atoll/v1/cluster", Action.CLUSTER, "", ""),
        ("GET", "/atoll/v1/wait", Action.WAIT, "", ""),
        ("POST", "/atoll/v1/leave", Action.LEAVE, "", ""),
    ],
)
def test_requests_find_their_action(
    method: str, path: str, action: Action, repository: str, variable: str
):
    target = ROUTER.resolve(method, path)
    assert (target.endpoint.action, *target[1:]) == (action, repository, variable)


@pytest.mark.parametrize(
    "path",
    ["/v1/", "/v2/a", "/v2/manifests/x", "/v2//manifests", "/v2/a/manifests/", "/v2/a/tags",
     "/v2/a/blobs/", "/v3/a/manifests/x", "/v2/tags/list", "/atoll/v1/", "/atoll/v1/wait/",
     "/atoll/v1/projects/", "/atoll/v1/projects/a/b", "/atoll/v1/repositories/tags/x",
     "/atoll/v1/repositories/a/tags/", "/atoll/v1/repositories/@tags", "/atoll/v2/wait"],
)  # fmt: skip
def test_other_paths_are_unknown(path: str):
    with pytest.raises(RouteUnknown):
        ROUTER.resolve("GET", path)


@pytest.mark.parametrize(
    "name",
    [
        "A",
        "..",
        "a/../b",
        "a%252fb",
        "a%2f..%2fb",
        "%2e%2e",
        "a%00",
        "%41",
        "%ff",
        "a%",
        "a//b",
        "a/",
        "a%2f",
        "a%2f%2fb",
        ".",
    ],
)
def test_bad_names_are_refused(name: str):
    with pytest.raises(NameInvalid):
        ROUTER.resolve("GET", f"/v2/{name}/manifests/x")


@pytest.mark.parametrize(
    ("path", "repository"),
    [("/v2/a%2Fb/manifests/x", "a/b"), ("/v2/a%2fb%2Fc/tags/list", "a/b/c"),
     ("/v2/%61/tags/list", "a"), ("/v2/a%2Fmanifests/manifests/x", "a/manifests")],
)  # fmt: skip
def test_an_encoded_name_is_the_name(path: str, repository: str):
    """Broken: clients that encode the slashes of a name cannot pull."""
    assert ROUTER.resolve("GET", path).repository == repository


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", "/"),
        ("//", "/"),
        ("/v2", "/v2"),
        ("/v2/", "/v2/"),
        ("//v2///", "/v2/"),
        ("/v2/a/manifests/x", "/v2/a/manifests/x"),
        ("/v2/a/manifests/x/", "/v2/a/manifests/x"),
        ("/v2//a///b//tags/list//", "/v2/a/b/tags/list"),
        ("/v2/a/blobs/uploads/", "/v2/a/blobs/uploads/"),
        ("/v2/a/blobs//uploads//", "/v2/a/blobs/uploads/"),
        ("/v2/a/blobs/uploads/x/", "/v2/a/blobs/uploads/x"),
        ("/healthz/", "/healthz"),
        ("//example.com/v2/", "/example.com/v2"),
    ],
)
def test_slashes_that_say_nothing_are_dropped(path: str, expected: str):
    """Broken: a redirect leads to another host, or round in a circle."""
    assert ROUTER.tidy(path) == expected
    assert ROUTER.tidy(expected) == expected


def test_other_methods_are_told_what_there_is():
    with pytest.raises(MethodNotAllowed) as refused:
        ROUTER.resolve("POST", "/v2/a/manifests/x")
    assert refused.value.allowed == ("DELETE", "GET", "HEAD", "PUT")
    with pytest.raises(MethodNotAllowed) as refused:
        ROUTER.resolve("PUT", "/atoll/v1/repositories/a/tags/x")
    assert refused.value.allowed == ("GET",)


@pytest.mark.parametrize(
    "path", ["/v2/a/blobs/uploads", "/v2/a/blobs/uploads/", "/v2/a/blobs/blobs/uploads"]
)
def test_a_word_of_a_path_is_no_variable(path: str):
    """Broken: whoever asks for uploads by GET is told that `uploads` is no digest."""
    with pytest.raises(MethodNotAllowed) as refused:
        ROUTER.resolve("GET", path)
    assert refused.value.allowed == ("POST",)


def test_every_action_has_one_endpoint():
    """Broken: an action is served nowhere, or permissions and metrics tell two endpoints as one."""
    assert sorted(endpoint.action for endpoint in SERVED) == sorted(Action)


def test_whatever_a_module_describes_is_served():
    """Broken: an endpoint is described and documented nowhere, as nobody took it along."""
    described = [
        endpoint
        for package in (admin, oci, ui)
        for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
        for endpoint in getattr(importlib.import_module(found.name), "ENDPOINTS", ())
    ]
    assert {id(each) for each in described} == {id(each) for each in SERVED}


def test_nothing_is_described_twice():
    with pytest.raises(AssertionError):
        Router([*ENDPOINTS, ENDPOINTS[0]])


def test_the_methods_are_those_of_the_endpoints():
    """Broken: pages of other sites, or who uses an odd method, are told of other methods."""
    assert {method for endpoint in ENDPOINTS for method in endpoint.methods} == set(METHODS)
