"""A model of the stack's scaling: ``load`` makes the jobs, ``scaling`` decides, ``stack`` runs, ``report`` tells."""
