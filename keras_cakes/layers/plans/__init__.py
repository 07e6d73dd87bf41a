"""Chooses the boxes in which the channels of a layer run together."""
