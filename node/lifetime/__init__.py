"""
From the start of a node to its end: whether it may take clients, what it does until it stops, how
it stops, and how it leaves its cluster for good.

Opens nothing: it is given parts that are open (`node.main`).
"""
