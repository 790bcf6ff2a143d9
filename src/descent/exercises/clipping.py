"""Checks of the chapter "Gradient clipping"."""
