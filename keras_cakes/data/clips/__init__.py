"""Clips: from videos to batches."""
