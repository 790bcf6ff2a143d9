"""Checks of the chapter "Signs of healthy training"."""
