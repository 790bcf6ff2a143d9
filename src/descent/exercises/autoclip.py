"""Checks of the chapter "AutoClip"."""
