"""Errors that the blob store adds to those of its ports."""


class StagingGone(RuntimeError):
    """The ingest was committed, discarded, released, or lost its name to a newer one: a bug."""

    def __init__(self, name: str) -> None:
        super().__init__(f"staging {name!r} cannot be used any more")
