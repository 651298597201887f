"""What people see of numbers, times and strangers' words."""

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.ui import text
from node.ui.renderer import shown

UNSEEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


def test_what_nobody_sees_is_written_out():
    """Broken: a name with a direction mark is read as another one."""
    for code in range(sys.maxunicode + 1):
        sign = chr(code)
        if unicodedata.category(sign) not in UNSEEN or sign in "\t\n":
            continue
        if code >= 0xF0000 and code % 997:  # private use, all alike
            continue
        assert text.visible(sign).startswith("\\"), hex(code)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("a\u202eb", "a\\u202eb"),
        ("\x00\x1b[31m", "\\u0000\\u001b[31m"),
        ("\ud800", "\\ud800"),
        ("a\tb\nc", "a\tb\nc"),
        ("São Paulo, 東京, ελ, עברית", "São Paulo, 東京, ελ, עברית"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_the_rest_stays(given: str, expected: str):
    assert text.visible(given) == expected
    assert text.visible(given).encode()


def test_a_value_is_cut():
    assert len(str(shown("x" * 10_000))) == text.TEXT_MAX
    assert text.cut("abcdef", 4) == "abc…"
    assert text.cut("abcd", 4) == "abcd"


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 KB"),
        (1234, "1.23 KB"),
        (99_949, "99.9 KB"),
        (99_950, "100 KB"),
        (184_000_000, "184 MB"),
        (999_499, "999 KB"),
        (999_500, "1 MB"),
        (9_400_000_000, "9.4 GB"),
        (38_400_000_000_000, "38.4 TB"),
        (10**24, "1000000 EB"),
    ],
)
def test_bytes_are_as_docker_prints_them(number: int, expected: str):
    assert text.byte_count(number) == expected.replace(" ", "\u00a0")


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0 ms"),
        (0.312, "312 ms"),
        (1, "1 s"),
        (1.25, "1.2 s"),
        (41, "41 s"),
        (119, "119 s"),
        (240, "4 min"),
        (7199, "120 min"),
        (7200, "2 h"),
        (172_800, "2 days"),
        (86_400 * 2000, "2,000 days"),
    ],
)
def test_durations_have_one_unit(seconds: float, expected: str):
    assert text.duration(seconds) == expected.replace(" ", "\u00a0")


@pytest.mark.parametrize(
    ("passed", "expected"),
    [
        (0, "just now"),
        (12, "12 s ago"),
        (360, "6 min ago"),
        (-20, "in 20 s"),
        (86_400 * 30, "30 days ago"),
        (86_400 * 31, "15 Dec 2026"),
    ],
)
def test_times_are_relative_for_a_month(passed: float, expected: str):
    now = 1_800_000_000.0  # 15 January 2027
    assert text.ago(now - passed, now).replace("\u00a0", " ") == expected


def test_counts_have_their_thousands():
    assert text.count(1_031_771) == "1,031,771"
    assert text.share(1, 3) == "33\u00a0%"
    assert text.share(1, 0) == "0\u00a0%"


def test_a_time_is_exact_beside_it():
    assert text.iso(0) == "1970-01-01T00:00:00Z"
    assert text.exact(1_800_000_000.5) == "2027-01-15 08:00:00 UTC"


@given(st.floats() | st.integers(-(10**30), 10**30))
def test_no_time_is_impossible(at: float):
    assert text.iso(at).endswith("Z")
    assert text.exact(at).endswith("UTC")


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://github.com/acme/app", "github.com"),
        ("https://GitHub.com:8443/", "github.com"),
        ("http://github.com/", ""),
        ("javascript:alert(1)", ""),
        ("JAVASCRIPT:alert(1)//https://x", ""),
        ("data:text/html,x", ""),
        ("https://user@github.com/", ""),
        ("https://github.com@evil.example/", ""),
        ("https:github.com", ""),
        ("https://", ""),
        ("//github.com/", ""),
        ("https://a\u202eb/", ""),
        ("https://a b/", ""),
        ('https://a"b/', ""),
        (" https://github.com/", ""),
        ("https://[", ""),
        ("https://x/" + "y" * 5000, ""),
        ("", ""),
    ],
)
def test_links_lead_elsewhere_by_https_alone(url: str, host: str):
    assert text.https_host(url) == host


@pytest.mark.parametrize(
    "address", ["/ui", "/ui/", "/ui/i/a/b:1.0", "/ui/i/a@sha256:ab", "#x", "?a=b&c=d", "/ui?x"]
)
def test_own_addresses(address: str):
    assert text.own(address) == address


@pytest.mark.parametrize(
    "address",
    [
        "",
        "/",
        "/uix",
        "//ui/",
        "https://x/ui/",
        "javascript:x",
        "/ui/ x",
        "/ui/\n",
        "/ui/\\x",
        '?"',
    ],
)
def test_other_addresses_are_none(address: str):
    assert text.own(address) == "/ui/"


def test_what_is_copied_is_one_line():
    """Broken: what is pasted into a terminal runs before anybody has read it."""
    assert text.line("docker pull x\nrm -rf /\r\n") == "docker pull x rm -rf /"
    assert "\u2028" not in text.visible(text.line("a\u2028b"))
