"""The truth in the tables of a PostgreSQL server. Nothing outside this package speaks SQL to it.

One file per noun, as beside it for SQLite. Every statement names its tenant, every key begins with
it, and the tables let nobody see a row of another than the transaction has said it is for.
"""
