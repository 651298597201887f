"""
Offline check of a data directory: index against itself, and index against blobs.

Reads everything, changes nothing.
"""
