"""What is derived from the truth, and may be deleted at any time."""
