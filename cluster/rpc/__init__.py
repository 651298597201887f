"""
The wire: gRPC and protobuf on one side, the engine's own types on the other.

The only place that knows either library; no rule lives here.
"""
