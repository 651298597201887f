"""
The disk of a node: whose a data directory is, the room on it, and what survives a power cut.

Knows no index and no blob: those have their own files, and look for room here.
"""
