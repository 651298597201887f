"""
The commands of the documentation that no test types, and why.

Each is a block, named by its page and its first command. Its commands are still held against what
there is: commands and options of `atoll`, targets of `make`, modules
(`tests/test_documented_commands.py`).
"""

from typing import Final, NamedTuple


class Untyped(NamedTuple):
    """A block that nobody types."""

    page: str
    first: str
    why: str
    instead: tuple[str, ...]
    """Files, from the root on, that do or test what it does."""


_TAKES_LONG: Final = "it takes minutes or hours"
_NEVER_ENDS: Final = "it does not end"
_ALTERNATIVES: Final = "each line is for another day: one after the other they make no sense"
_SERVE: Final = (
    "atoll serve --data-dir /data --node eu-1 --region eu --http 0.0.0.0:5000 --rpc 0.0.0.0:6000"
)

UNTYPED: Final = (
    Untyped(
        "README.md",
        "make run",
        _TAKES_LONG,
        (".ci/fresh",),
    ),
    Untyped(
        "README.md",
        "docker tag alpine localhost:5001/library/alpine",
        "its image comes from another registry; the quick start makes its own",
        ("tests/e2e/test_guide_quick_start.py",),
    ),
    Untyped(
        "README.md",
        _SERVE,
        _NEVER_ENDS,
        ("tests/e2e/serve_cluster.py",),
    ),
    Untyped(
        "operations.md",
        _SERVE,
        _NEVER_ENDS,
        ("tests/e2e/serve_cluster.py",),
    ),
    Untyped(
        "quick-start.md",
        "make run",
        _NEVER_ENDS,
        (".ci/fresh", "tests/e2e/up_cluster.py"),
    ),
    Untyped(
        "operations.md",
        "atoll node add eu-3",
        _ALTERNATIVES,
        ("tests/e2e/test_layout.py", "tests/e2e/rolling.py", "tests/e2e/test_left_behind.py"),
    ),
    Untyped(
        "operations.md",
        "export ATOLL_DATA_DIR=data/eu-1",
        _ALTERNATIVES,
        ("tests/e2e/test_wait.py", "tests/e2e/test_leave.py", "tests/api/test_every_command.py"),
    ),
    Untyped(
        "damage.md",
        "atoll serve --data-dir /data --join eu-2.example:6000 ... --rebuild-index",
        _NEVER_ENDS,
        ("tests/e2e/test_rebuild_index.py",),
    ),
    Untyped(
        "damage.md",
        "atoll salvage /data --url localhost:7000",
        "it ends with 1, as something is left to do",
        ("tests/e2e/test_left_behind.py",),
    ),
    Untyped(
        "security.md",
        "atoll admin init root --data-dir /var/lib/atoll",
        "it asks at a terminal; the guide for log-ins gives it a file",
        ("tests/e2e/test_guides.py",),
    ),
    Untyped(
        "deploy.md",
        "useradd --system --home-dir /var/lib/atoll --no-create-home atoll",
        "it changes the machine that it is typed at; what systemd would start is started",
        ("tests/e2e/test_guide_deploy.py",),
    ),
    Untyped(
        "deploy.md",
        "docker compose up --build",
        "it takes Compose, and an image from another registry",
        ("tests/test_image_files.py", "tests/e2e/test_image.py"),
    ),
    Untyped(
        "testing.md",
        "python -m tests.sim --seeds 112 --history",
        _TAKES_LONG,
        (".ci/run", "tests/sim/__main__.py"),
    ),
    Untyped(
        "faults.md",
        "make netfaults SCENARIO=kill RUNS=10 SECONDS=60",
        _TAKES_LONG,
        ("tests/netfaults/test_scenarios.py",),
    ),
    Untyped(
        "fuzzing.md",
        "python -m tests.fuzz --target tokens scopes --minutes 2 --seed 7 --jobs 2",
        _TAKES_LONG,
        ("tests/fuzz/__main__.py",),
    ),
)
