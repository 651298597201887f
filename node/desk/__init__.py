"""
What the desk shows, as values: services over the index and the cluster, for the API and the pages.

Owns what is kept for it (counters of repositories, orders of tags) and how it is read. Never writes
to the index, and knows neither HTTP nor HTML.
"""
