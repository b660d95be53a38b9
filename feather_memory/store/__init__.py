"""The door: one tenant's memory as callers see it."""
