"""Bodies, values and doubles that several tests share."""
