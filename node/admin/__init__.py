"""
The operator's side: tags and their history, projects, the cluster, health and metrics.

Each module with endpoints describes them beside what answers them. Nothing is decided here: the use
cases and the cluster do that.
"""
