"""Prefect flows: each a page that reads like the job's description."""
