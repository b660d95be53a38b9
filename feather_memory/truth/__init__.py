"""What is never derived: where a store's memories really are."""
