"""How good a memory is: what it finds for a question, by the public API with its defaults.

    python -m benchmarks.recall --data FOLDER [--quick] [--only ROW …]

FOLDER holds evaluation data, which is no part of this repository: `locomo-dev/` and `beam-dev/`.
Without it what needs none is measured. A whole run with data writes docs/recall.md.
"""
