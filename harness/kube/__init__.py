"""What the harness does to a cluster: apply, wait, delete, run labels, janitor."""
