"""Checks of the chapter "Loss and brute force"."""
