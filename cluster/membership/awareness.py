"""
How far this node trusts its own observations (Dadgar, Phillips and Currey, "Lifeguard", 2018,
section IV-A: the local health multiplier). Pure.
"""


class Awareness:
    """
    A score from 0, all is well, to *score_max*: this node itself is the likely culprit.

    A node that cannot keep up sees everybody else as silent. Each sign of that makes it more
    patient; each probe that is answered in time makes it less so.
    """

    def __init__(self, score_max: int) -> None:
        self._score_max = score_max
        self.score = 0

    def worsen(self, by: int = 1) -> None:
        """Note *by* signs that this node is slow."""
        self.score = min(self._score_max, self.score + by)

    def improve(self) -> None:
        """Note that a probe was answered in time."""
        self.score = max(0, self.score - 1)

    def patient(self, duration_s: float) -> float:
        """*duration_s* as this node should take it now."""
        return duration_s * (self.score + 1)
