"""Builds, deploys and runs Coatcheck: the ``coatcheck`` command."""
