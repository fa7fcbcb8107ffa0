"""Broken platforms, each with one seam replaced, and the proof that the checks notice: a suite that has never failed has proven nothing."""
