"""Measurements of the platform against PostgreSQL itself, on the machine they run on."""
