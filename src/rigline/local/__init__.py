"""The local stack behind ``rigline up``: its parts, and how they are started and stopped."""
