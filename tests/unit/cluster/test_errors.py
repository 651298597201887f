"""What errors of the engine say."""

from cluster.errors import NotEnoughNodes


def test_a_refused_write_names_some_of_many_missing_members():
    """Broken: in a large cluster the line is as long as the list of its members."""
    error = NotEnoughNodes(1, 20, [f"n{number}" for number in range(19)])
    assert str(error).endswith("missing: n0, n1, n2, n3, n4, n5, n6, n7 and 11 more")
    assert len(error.missing) == 19
