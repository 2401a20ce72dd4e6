"""The review queue: what a ticket may go through, who may do it, and how the next one is found."""
