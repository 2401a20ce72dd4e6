"""One page of the app a file."""
