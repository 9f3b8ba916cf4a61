"""A person's data, everywhere it is kept: where that is, showing it, erasing it, and deleting what is too old."""
