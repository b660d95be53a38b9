"""How fast a store is, beside what it promises, its peers, and what the machine allows.

    make bench [ARGS="--quick | --only ROW | --data FOLDER"]

`rows` are what is measured, `peers` who is measured, `bars` what was promised. Whoever has the
verb of a row takes part in it: a *contender*. All of them answer the same query, in an order that
is drawn anew for each query, in one process.
"""
