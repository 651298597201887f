"""All that the desk shows: what the API and the pages are made from."""

from dataclasses import dataclass

from node.desk.catalogue_desk import CatalogueDesk


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The parts of the desk; each is the whole of a slice of it."""

    catalogue: CatalogueDesk
