"""Resources of the REST API, a module each."""
