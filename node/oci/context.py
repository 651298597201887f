"""What the handlers of the Distribution API work with."""

from dataclasses import dataclass, field

from node.http.bodies import Bodies
from node.http.cors import Cors
from node.http.limits import ApiLimits
from node.identity.service import Identity
from node.oci.forwarder import Forwarder
from node.registry.usecases import UseCases


@dataclass(frozen=True, slots=True, kw_only=True)
class OciContext:
    """The registry, what stands beside it, and the limits that the edge enforces."""

    registry: UseCases
    identity: Identity
    forwarder: Forwarder
    limits: ApiLimits
    cors: Cors
    """What pages of other sites may read."""
    bodies: Bodies = field(default_factory=Bodies)
