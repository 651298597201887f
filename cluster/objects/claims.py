"""
Which holder rows count as copies. Pure.

A row is what a node once said of its disk, and rows outlive disks: a node whose directory was
wiped, set back or copied gets its old rows back from its peers. So a row counts only when the disk
of its node's present run had the event that made it when that run began, or when it was made
since. At its start a node holds its rows against its files before it tells anybody how far its
logs were.
"""

from cluster import vectors
from cluster.model import Dot, Vector


def stands(dot: Dot, epoch: int, began: Vector) -> bool:
    """
    Whether the row made by *dot* speaks of the disk that its node has now.

    *epoch* is the node's present run, *began* how far its disk had the node's logs at its start. A
    row of a retired log stands if the disk had the watermark then, or the log itself. A disk that
    was set back, or wiped, had neither, whatever its peers have retired meanwhile.
    """
    return dot.epoch == epoch or dot.seq <= vectors.reached(began, dot.origin)
