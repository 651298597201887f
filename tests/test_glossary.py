"""The words of docs/ARCHITECTURE.md: each once, and the code that it points to is there."""

import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parent.parent
GLOSSARY = (ROOT / "docs/ARCHITECTURE.md").read_text().partition("\n## Glossary\n")[2]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in GLOSSARY.splitlines()
    if line.startswith("| ") and not line.startswith("| word ")
]


def names_of_the_code() -> set[str]:
    """Every file of the packages, and every class, function and field with its last qualifier."""
    found: set[str] = set()
    for package in ("cluster", "node"):
        for path in (ROOT / package).rglob("*.py"):
            found.add(str(path.relative_to(ROOT)))
            owner = ""
            for line in path.read_text().splitlines():
                if match := re.match(r"class (\w+)", line):
                    owner = match[1]
                    found.add(owner)
                elif match := re.match(r"(?:(?:async )?def )?(\w+)(?:\(| = |: )", line):
                    found.add(match[1])
                elif match := re.match(r"    (?:(?:async )?def )?(\w+)[(:]", line):
                    found.add(f"{owner}.{match[1]}")
    return found


def test_each_word_has_one_meaning():
    """Broken: a reader finds two, and does not know which one the code means."""
    words = Counter(word for row in ROWS for word in row[0].split(", "))
    assert len(words) > 40
    assert not [word for word, count in words.items() if count > 1]


def test_the_code_of_each_word_is_there():
    """Broken: a module or class was renamed, and the glossary sends its readers nowhere."""
    named = [name for row in ROWS for name in re.findall(r"`([^`]+)`", row[2])]
    assert len(named) > 40
    code = names_of_the_code()
    assert not [name for name in named if name.removeprefix("cluster.model.") not in code]


def test_the_code_map_is_one_of_this_code():
    """Broken: a package was renamed or is new, and the map does not show it."""
    text = (ROOT / "docs/ARCHITECTURE.md").read_text()
    rows = text.partition("\n## Code map\n")[2].partition("\n## ")[0].splitlines()
    places = [row.split("|")[1] for row in rows if row.startswith("| `")]
    named: set[Path] = set()
    for place in places:
        first = ""
        for name in re.findall(r"`([^`]+)`", place):
            # The names behind the first one are of its directory, or of its package.
            path = next((p for p in (Path(first, name), Path(name)) if (ROOT / p).exists()), None)
            path = path or Path(first).parent / name
            first = first or str(path if (ROOT / path).is_dir() else path.parent)
            assert (ROOT / path).exists(), f"{place} names {name}"
            named.add(path)
    packages = {
        path.parent.relative_to(ROOT)
        for package in ("cluster", "node")
        for path in (ROOT / package).glob("*/__init__.py")
    }
    assert packages <= named, packages - named
