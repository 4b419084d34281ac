"""A training's folder: where its files lie, its events, what it trains; without torch."""
