"""What Envoy is told: bootstrap, listeners, clusters and routes, as the JSON that its file-based discovery reads."""
