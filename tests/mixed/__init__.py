"""
A cluster of two versions: nodes of an earlier commit, and of this one.

`BASE` names the earlier commit. Nodes of both take pushes, pulls and deletes, then the earlier ones
are upgraded one after the other under load, and in the end all indexes are the same.
"""
