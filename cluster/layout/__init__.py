"""
Who should be in the cluster, and what should lie where: the layout. Pure rules.

Owns the agreed document, how one version follows another, what counts while two are live, where
copies of blobs belong, and what a change moves. It reads no clock, no disk and no network, and does
not know who is *there*: that is `cluster.membership`. `docs/layout.md` tells the whole.

Nothing uses it yet: the engine goes by the members that gossip knows.
"""
