"""The truth: one SQLite file. Nothing outside this package speaks SQL to it.

One file per noun: named SQL at the top, row ↔ value below, then the verbs.
"""
