"""
What needs attention: one set of rules, which `atoll status`, `atoll doctor`, the admin API and the
alarms read, so that none says what another one denies.

Owns which findings there are, how bad each is, what explains what, and since when each is there.
The rules are pure, over one value of facts; `collector.py` fills it from what the parts of a node
tell of themselves. Changes nothing, and asks no other node.
"""
