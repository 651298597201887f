"""
Who may do what, in the simulated world: each node has the real rooms of `node.identity` over its
index, operators change accounts at any node, and clients log in, renew tokens and use them at any.

Only plans of `identity.plan` have any of it; for others nothing here runs, so that their seeds mean
what they meant before.
"""
