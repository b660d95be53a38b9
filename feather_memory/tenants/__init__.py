"""Many tenants: the pool of their stores, and stores that are read together."""
