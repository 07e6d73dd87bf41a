"""Makes volumes of known answer."""
