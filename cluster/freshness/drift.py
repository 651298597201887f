"""How far clocks are trusted."""

from typing import Final

DRIFT: Final = 1.05
"""How much faster another node's monotonic clock may run. Oscillators differ by less than 0.1 %."""
