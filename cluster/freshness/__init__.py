"""
Who may read from its own index, and what was acknowledged: leases between the members of a region's
quorum. Pure; decision 28 has the proof, with an example for each case.
"""
