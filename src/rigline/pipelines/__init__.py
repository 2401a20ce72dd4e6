"""The multistage jobs: one short file for each."""
