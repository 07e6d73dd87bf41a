"""Scores the candidates of each channel; larger is better.

A score maps a layer's name to an array `(candidates, filters)`, which
`keras_cakes.derive` adds up.
"""
