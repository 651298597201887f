"""Run every benchmark and write RESULTS.md and results.json beside this file."""

from pathlib import Path

from bench import blob_get, blob_push, image, logged_in, manifest_get
from bench.report import main

if __name__ == "__main__":
    main(
        [manifest_get.run, blob_get.run, blob_push.run, image.run],
        directory=Path(__file__).parent,
        sections=[logged_in.section],
    )
