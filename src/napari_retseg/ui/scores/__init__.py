"""The Scores dock: how well two labels layers agree."""
