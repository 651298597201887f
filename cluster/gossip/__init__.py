"""
How events spread: what one node lacks, when an event is durable enough, how conflicts resolve.

Pure rules; never a socket, never a clock.
"""
