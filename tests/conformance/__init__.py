"""The OCI conformance suite, unchanged and pinned (.ci/tools), against a node of a cluster."""
