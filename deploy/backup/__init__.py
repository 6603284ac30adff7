"""Backups of a whole installation at one moment: made, verified, restored."""
