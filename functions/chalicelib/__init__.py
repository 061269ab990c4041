"""The HTTP side: a module for each resource, and a few that they share.

A request passes ``routing`` (from Chalice's world into ours), a handler of its resource, and back;
``problems`` makes an answer of every error.
"""

from chalicelib.postponed import postpone

# redis-py asks it for its own version, which it tells no server here (coatcheck/connection.py).
postpone("importlib.metadata")
