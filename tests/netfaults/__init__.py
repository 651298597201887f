"""
Real faults: five `atoll serve` in two regions, each in a network namespace of its own.

Clients work through one round-robin proxy per region while a scenario kills, stops, cuts off or
misleads nodes. They write down what they asked and heard, and `rules` says whether a registry
that keeps its promises could have answered so. `python -m tests.netfaults --help`; needs root.
"""
