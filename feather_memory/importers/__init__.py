"""What people have already, as records to remember."""
