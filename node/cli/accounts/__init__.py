"""Logging in, and one's own account; users and groups."""
