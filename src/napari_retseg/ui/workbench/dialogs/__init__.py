"""The windows that the workbench opens beside the viewer."""
