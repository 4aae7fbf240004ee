"""Studies of estimates: how errors depend on labels and on the network, planning, audits. No store."""
