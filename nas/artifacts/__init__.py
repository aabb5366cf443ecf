"""Large files by the hash of their content, in a folder or at any URL that fsspec knows."""
