"""Liver fat: one file per system."""
