"""The local runner behind `make up`: PostgreSQL, NATS and every service on one machine."""
