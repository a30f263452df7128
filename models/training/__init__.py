"""Training: the protocol of each system, as ``models.systems`` names it."""
