"""`python -m tests.fuzz.moment TARGET INPUTS`: the first inputs of one target, always the same."""

import math
import sys

from tests.fuzz.drive import Drive
from tests.fuzz.targets import TARGETS


def main(name: str, inputs: str) -> int:
    few = int(inputs)
    # What is tried depends on all that is imported: some of it may be met a little later.
    problems = Drive(TARGETS[name](), 1).run(math.inf, 5 * few, enough=few).problems()
    print("\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
