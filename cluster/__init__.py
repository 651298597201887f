"""
The replication engine: clock, events, membership, dissemination, transfer, repair, routing.

Owns what nodes say to each other and when a write may be acknowledged. Knows digests, events and
peers; never HTTP, manifests or databases. Storage, network, time and chance come in through
`cluster.ports`. Start reading at `cluster.agent`.
"""
