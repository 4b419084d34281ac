"""The training and the calibration of the starter model that ships."""
