"""
How a node is put together, short of which parts there are: that is `node.main`'s.

Owns the steps between the settings and each part, and what stops a node from starting there. Never
runs anything: what a started node does is `node.lifetime`'s.
"""
