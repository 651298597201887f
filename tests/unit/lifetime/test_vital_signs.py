"""What a node says of itself: looked at now and then, however many ask."""

from node.disk.datadir import Space
from node.lifetime.readiness import Readiness
from node.lifetime.vitals import FRESH_S, VitalSigns


class _Disk:
    def __init__(self) -> None:
        self.looks = 0
        self.now = 7.0

    def space(self) -> Space:
        self.looks += 1
        return Space(100, 100 - self.looks)

    def now_s(self) -> float:
        return self.now


def signs(disk: _Disk, readiness: Readiness) -> VitalSigns:
    return VitalSigns(readiness, disk.space, lambda: (3, 40), disk.now_s)


def test_many_who_ask_are_one_look():
    """Broken: a hundred members have the disk looked at four hundred times a second."""
    disk = _Disk()
    vitals = signs(disk, Readiness())
    told = {vitals() for _ in range(100)}
    assert disk.looks == 1
    assert {(each.disk_free_bytes, each.blobs, each.blob_bytes) for each in told} == {(99, 3, 40)}


def test_what_is_wrong_since_is_told_soon():
    disk, readiness = _Disk(), Readiness("index")
    readiness.meet("index")
    vitals = signs(disk, readiness)
    assert vitals().trouble == ""
    readiness.require("index", "a read failed")
    disk.now += FRESH_S
    assert vitals().trouble == "index: a read failed"
