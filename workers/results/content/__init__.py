"""The parts of the report's content tree, one file each."""
