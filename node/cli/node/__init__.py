"""
The commands about one node: running it, what it is set to, what it serves, and the files of one
that is stopped. But for `salvage`, which may ask, none needs a node that runs.
"""
