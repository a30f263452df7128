"""The parts of ``hepanode demo``: a simulated study, a PACS, a node beside it, and the account."""
