"""What is wrong with somebody's data."""


class DataError(ValueError):
    """Something is wrong with a file; the message names it."""
