"""The C functions."""
