"""Checks of the chapter "Choosing an optimizer"."""
