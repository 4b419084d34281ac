"""Probabilities to layers that an eye can have: surfaces across a B-scan; numpy alone."""
