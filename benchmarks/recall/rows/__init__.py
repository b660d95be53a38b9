"""The rows: each measures one thing and returns its tables."""
