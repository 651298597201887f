"""
What carries out the rules: links to peers, pulls, waits and the answers to peers' calls.

Owns tasks and timers. Decides nothing that `gossip`, `membership`, `routing` and
`replication.placement` can decide.
"""
