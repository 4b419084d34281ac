"""napari and Qt: readers, writers, samples and docks. Never torch."""
