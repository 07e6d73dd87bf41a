"""Downloads and unpacks files."""
