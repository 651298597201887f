"""
What the desk shows, as values: services over the index and the cluster, for the API and the pages.

Owns what is kept for it (counters of repositories, orders of tags, the series of this node's
figures, the courses of long work) and how it is read. What others count is read there. Never writes
to the index, and knows neither HTTP nor HTML.
"""
