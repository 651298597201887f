"""How what one process has is divided among those who want it: descriptors, and places in line."""
