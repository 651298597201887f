"""Real processes under real faults. Imports nothing of `node` or `cluster`."""
