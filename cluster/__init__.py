"""
The replication engine: clock, events, membership, dissemination, transfer, repair, routing.

Owns what nodes say to each other and when a write may be acknowledged. Knows digests, events and
peers; never HTTP, manifests or databases. Storage, time and chance come in through
`cluster.ports`, the network through `cluster.peering`. Start reading at `cluster.agent`.
"""
