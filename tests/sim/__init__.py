"""
The simulator: the real engine of many nodes in one process, under seeded faults.

    loop      virtual time; handles belong to processes, which can be paused and killed
    network   calls between nodes: latency, loss, duplicates, partitions
    disk      stores that lose what was not synced, fill up and fail
    machine   one node: a disk, a clock, and the real code assembled on them
    plan      from a seed: topology, operations and faults, as plain data
    world     carries a plan out
    watch, census, bounds   look at the nodes meanwhile: logs and leases, deaths, memory
    model     what a registry should say, in a hundred lines
    checker   the invariants; `reads` judges what clients were told, `order` who knew of whom
    endurance   one cluster for hours
    stories   what happens step by step, in place of a random plan
    coverage, shrink, mutants   what makes the results believable

`python -m tests.sim --help` runs it; docs/testing.md explains it.
"""
