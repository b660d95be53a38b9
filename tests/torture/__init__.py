"""What breaks a store, done to it on purpose: a module for each fault, and its negative control.

`python -m torture` (with `tests` as PYTHONPATH, which is what `make torture` does) runs them for as
long as it is given, and prints the seed by which the same is done again.
"""
