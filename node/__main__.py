"""`python -m node` is the `atoll` command."""

from node.cli import main

if __name__ == "__main__":
    main()
