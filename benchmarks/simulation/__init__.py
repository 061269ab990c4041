"""A model of the stack: ``load`` makes jobs, ``stack`` runs them, ``scaling`` decides, ``report`` tells."""
