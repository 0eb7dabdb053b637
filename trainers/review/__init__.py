"""Human review of preference pairs: a local web page over SQLite, agreement, verdicts in the manifest."""
