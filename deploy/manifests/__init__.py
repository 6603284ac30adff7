"""Kubernetes manifests as data: a table of services, rendered into deploy/base and the overlays."""
