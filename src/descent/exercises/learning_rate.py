"""Checks of the chapter "How big a step"."""
