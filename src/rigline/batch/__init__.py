"""Batches: many jobs on Ray, with nothing lost and nothing done twice."""
