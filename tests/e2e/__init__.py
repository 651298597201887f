"""Real Atoll processes, real clients, real crashes. Nothing here imports `node` or `cluster`."""
