"""The workbench without widgets: the open workspace and scan, and what is done with them."""
