"""From a question to hits, a chain or an explanation. It only reads."""
