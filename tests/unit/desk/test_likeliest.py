"""Which names come first in a search."""

from node.desk.search import likeliest


def test_the_likeliest_come_first():
    names = [
        "x/snapper",
        "lib/tool",
        "app-y/tool",
        "b/app2",
        "z/app",
        "app",
        "a/b-app",
        "q/app-of-it",
    ]
    named = [name for name in names if "app" in name]
    assert list(likeliest(named, "app")) == [
        "app",
        "z/app",
        "b/app2",
        "q/app-of-it",
        "app-y/tool",
        "a/b-app",
        "x/snapper",
    ]


def test_a_whole_name_comes_before_longer_ones():
    assert list(likeliest(["lib/apples", "lib/app", "a/lib/app"], "lib/app")) == [
        "lib/app",
        "a/lib/app",
        "lib/apples",
    ]
