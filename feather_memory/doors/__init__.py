"""The ways in for whoever is no Python program: MCP for agents, HTTP for services.

Both are thin over the same `verbs`, which say what they did in the same `answers`; `keys` says
whose a call may be, and `guard` turns away what may not come in at all.
"""
