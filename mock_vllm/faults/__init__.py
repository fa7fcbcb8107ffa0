"""Faults: what the server is told to do wrong, by configuration, by header or at run time."""
