"""
Who belongs to the cluster and who is connected.

Pure rules; never a socket, never a clock.
"""
