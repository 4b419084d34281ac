"""The workbench: correct a scan's labels, and train again."""
