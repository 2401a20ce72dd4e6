"""Jobs in the ledger, from submission to what becomes of them, in short transactions."""
