"""The `crm` command: a client of the gateway, and the operators' way to tenants."""
