"""One small language over a memory's fields, its one meaning, and its forms."""
