"""Pure geometry of avatars: arrays in, arrays out; no I/O, clock, environment or logging."""
