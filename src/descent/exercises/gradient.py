"""Checks of the chapter "Following the slope"."""
