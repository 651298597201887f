"""
Random worlds around the real rules of freshness (`cluster.freshness`), fed by the real driver, and
seeded bugs of them. `python -m tests.freshness --seeds 0:3000`.
"""
