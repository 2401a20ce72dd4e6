"""Policies for tests."""

DOUBTS_EVERY_RIG = """
name = "doubts-every-rig"
version = 1
calibrated = false
review_below = 1.0
[[stages.rig]]
evidence = "vote_dispersion"
good = 0.0
bad = 1.0
reason = "the votes lie {value:.3f} apart"
"""
"""Sends every avatar to a person, for its rig alone."""
