"""Focal liver lesions: one file per system."""
