"""Prediction of scans and scoring of models (torch)."""
