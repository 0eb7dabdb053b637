"""Preference datasets: the record, how pairs are built and checked, and the forms they travel in."""
