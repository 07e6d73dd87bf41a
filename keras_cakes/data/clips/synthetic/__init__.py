"""Makes clips of known answer."""
