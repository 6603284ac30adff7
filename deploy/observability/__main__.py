"""`python -m deploy.observability` writes the dashboards."""

from deploy.observability.dashboards import write

write()
