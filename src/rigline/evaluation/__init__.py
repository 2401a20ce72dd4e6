"""How good a set-up is, measured against truth."""
