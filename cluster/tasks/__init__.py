"""Ways for tasks to wait for each other. Knows nothing of clusters."""
