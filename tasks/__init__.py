"""Thin Prefect tasks over the engine."""
