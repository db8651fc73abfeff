"""The log in the words of others: formats, where they go, and what survives a restart."""
