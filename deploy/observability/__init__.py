"""What watches an installation: Prometheus rules and alerts, Grafana dashboards."""
