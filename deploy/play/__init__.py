"""The development overlay as real pods on one machine, with a smoke test."""
