"""The widgets of the workbench: they show values and say what the user did, nothing more."""
