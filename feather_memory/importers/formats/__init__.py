"""What people have, a file a format: how it is recognised, and what of it is remembered."""
