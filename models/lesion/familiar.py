"""Is a frame like those that a detector learned from?

Of others nobody knows what its probability is worth: a detector that had learned from several
scanners took every frame of a further one for a lesion. The answer stands, and this says so.
"""

from dataclasses import dataclass

import torch

from models.bundle import Bundle
from models.errors import BundleError
from models.fat.scope import Scope
from models.frame.seen import Seen

CARD = "familiar"


@dataclass(frozen=True)
class Familiar:
    """network : digest of the frozen backbone whose pooled features the scope describes, as
    ``models.frame.seen`` has it."""

    network: str
    scope: Scope

    @classmethod
    def of_bundle(cls, bundle: Bundle, tensors: dict[str, torch.Tensor]) -> "Familiar | None":
        """Taken out of a bundle's tensors; None where its card speaks of none."""
        row = bundle.card.get(CARD)
        if row is None:
            return None
        try:
            return cls(str(row["network"]), Scope.take(tensors))
        except KeyError as error:
            raise BundleError(
                f"bundle {bundle.name!r}: its card says which frames it knows, but {error} is "
                "missing; install it again"
            ) from error

    def knows(self, seen: Seen | None) -> bool | None:
        """Of one frame; None where that network has not seen it."""
        if seen is None or seen.network != self.network:
            return None
        return bool(self.scope.distance(seen.pooled[None])[0] <= self.scope.limit)
