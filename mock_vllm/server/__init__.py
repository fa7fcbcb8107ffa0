"""Processes: one that serves, or several behind one port with a supervisor that joins their journals and metrics."""
