"""
Blobs between nodes: who should hold them, bringing them here, bringing them there.

Talks to peers through ports only; never opens a connection.
"""
