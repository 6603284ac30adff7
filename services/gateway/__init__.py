"""The gateway: REST, live updates and uploads for clients, gRPC to the services."""
