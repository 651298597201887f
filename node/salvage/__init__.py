"""
What an index has that the cluster went on without: read offline, and told as what people know, tags
and manifests. Nothing here changes the index, or asks anybody.
"""
