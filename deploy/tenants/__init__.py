"""Whole tenants: everything of one in a file, and nothing of one left (docs/adr/0026)."""
