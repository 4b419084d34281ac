"""The functions of ``import napari_retseg as rs``: for notebooks and scripts."""
