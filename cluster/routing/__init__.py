"""Whom to ask first, and how far they are. Pure rules; never a socket, never a clock."""
