"""The Scan details dock: where the B-scans lie on the fundus, and what can be trusted."""
