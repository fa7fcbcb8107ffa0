"""From Kubernetes objects to what Envoy and the limiter should do: pure functions over one snapshot."""
