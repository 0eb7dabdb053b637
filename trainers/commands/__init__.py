"""Verbs that the trainers add to the `spatial` command."""
