"""The ledger: what is known of jobs, tickets and decisions, in SQLite or PostgreSQL."""
