"""What a command has to say when it is done: a text for people, a document for programs."""

import json
from typing import NamedTuple


class Outcome(NamedTuple):
    """Both say the same. *document* is what JSON knows; *text* has no line break at its end."""

    text: str
    document: object

    def shown(self, as_json: bool) -> str:
        """What to print."""
        return json.dumps(self.document) if as_json else self.text
