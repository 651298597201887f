"""
The copies of blobs: what this node says it holds, held against its files; and which blobs have too
few, here and elsewhere.

Makes no copies itself: those are the engine's (`cluster.replication`).
"""
