"""How far other nodes are: the shortest of the last round trips."""

from cluster.model import NodeId
from cluster.routing.distance import KEPT, Distances

A, B = NodeId("a"), NodeId("b")


def test_the_shortest_of_the_last_round_trips_counts():
    """Broken: one greeting that was held up, or a route that is no more, decides on a witness."""
    distances = Distances()
    assert distances.to(A) is None
    for round_trip_s in (0.001, 0.08, 0.5, 0.09):
        distances.note(A, round_trip_s)
        distances.note(B, 0.2)
    assert (distances.to(A), distances.to(B)) == (0.001, 0.2)
    distances.note(A, 0.4)
    assert distances.to(A) == 0.08, f"the first of {KEPT + 1} is forgotten"
    distances.forget(A)
    distances.forget(A)
    assert (distances.to(A), distances.to(B)) == (None, 0.2)
