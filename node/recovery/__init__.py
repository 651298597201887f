"""
Indexes that are not to be used as they are: damaged, gone, or left behind by the cluster.

Owns what a start does about them, and what only one that was left behind still has: read offline,
and told as what people know, tags and manifests. Never changes an index: it is set aside, whole.
"""
