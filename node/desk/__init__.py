"""
What the desk shows, as values: no HTTP and no HTML. The admin API and the pages ask here.

Owns the series of this node's figures, the courses of long work, and what may be stopped. It reads
what others count and keeps no count of its own: the attention's facts, the layout, the metrics.
"""
