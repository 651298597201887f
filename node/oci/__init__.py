"""
The OCI Distribution API: each module has its endpoints, described, and what answers them.

No rule of the registry is here: handlers read a request, call a use case and word its answer.
"""
