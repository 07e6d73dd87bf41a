"""Packs clips into shards and opens packs."""
