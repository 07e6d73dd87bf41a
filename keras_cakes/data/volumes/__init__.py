"""Volumes: from scans to patches."""
