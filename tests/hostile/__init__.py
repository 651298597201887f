"""
A crowd of hostile strangers against a cluster of three that is under normal load.

`python -m tests.hostile` (or `make hostile`) starts three nodes and a load of healthy pushes and
pulls, first beside a crowd of well-behaved connections and then beside as many hostile requests:
slow, huge, malformed, half-closed, dripping, descriptor-hungry. What the healthy clients saw in
both, what the strangers were told, and what is left of them in the nodes is judged by `verdict.py`.
"""
