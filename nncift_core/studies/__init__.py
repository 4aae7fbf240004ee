"""Studies of estimates: how errors depend on labels and on size; planning, audits. No store."""
