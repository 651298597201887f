"""Free space on the disk of the data directory, and the reserve that new content leaves alone."""

import os

from cluster.errors import StorageFull


def check_room(where: str | int | os.PathLike[str], size: int, reserve_bytes: int) -> None:
    """
    Return if *size* bytes more at *where* (a path or an open file) leave the reserve free.

    A look, not a reservation: many who look at once may take a little of the reserve. Takes a
    microsecond on a local filesystem.

    Raises:
        StorageFull: they do not.
    """
    space = os.statvfs(where)
    free = space.f_bavail * space.f_frsize
    if free < size + reserve_bytes:
        raise StorageFull(
            f"no room: {free >> 20} MiB are free on the disk of this node, "
            f"{reserve_bytes >> 20} MiB of which are kept in reserve"
        )
