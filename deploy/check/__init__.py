"""`make deploy-check`: what can be known of the deployment without a cluster."""
