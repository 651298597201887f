"""
The control log under seeded faults: whole participants of `cluster.control` on a simulated network,
simulated disks and a simulated clock. `python -m tests.control --seeds 0:20000`.
"""
