"""What is checked before a write, and what one write transaction does."""
