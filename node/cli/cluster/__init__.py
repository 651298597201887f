"""
The commands of who runs a cluster: how it is, who is a member, and the layout; and a whole cluster
on this machine. They ask a node, or start nodes; none reads a node's files.
"""
