"""Who gives way when there are too many: nobody locks out the others."""

from collections.abc import Mapping


def heaviest(counts: Mapping[str, int], newcomer_has: int) -> str | None:
    """
    The client address that has the most, if that is at least two more than a newcomer has.

    Else nobody is better off than the newcomer would be. Behind a load balancer all have one
    address, and then nobody has more than another one.
    """
    address = max(counts, key=counts.__getitem__, default=None)
    if address is None or counts[address] <= newcomer_has + 1:
        return None
    return address
