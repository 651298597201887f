"""
The blob store: content-addressed files on local disk, and the same in memory.

Owns the layout below `blobs/` and `staging/`, and the threads that block on them. It stores
nothing that it has not hashed, and it never decides what to delete: that takes the index.
"""
