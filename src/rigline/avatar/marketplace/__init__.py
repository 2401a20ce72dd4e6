"""What a finished body must satisfy: the published rules as data, and the checks of them."""
