"""Networks: building them, preparing their input, and model bundles on disk (torch)."""
