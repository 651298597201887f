"""Which copy of a blob to read. Pure rules; never a socket, never a clock."""
