"""Values and texts that satisfy a constraint: JSON schemas and regular expressions."""
