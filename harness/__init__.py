"""Simulation and conformance test harness for Models-as-a-Service platforms."""
