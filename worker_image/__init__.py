"""The container side: the worker, and the user's tasks. Imports ``coatcheck``, never the functions."""
