"""Studies: whole experiments from a recipe to a report."""
