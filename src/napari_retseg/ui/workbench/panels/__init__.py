"""The sections of the workbench's dock: they show values and say what the user did."""
