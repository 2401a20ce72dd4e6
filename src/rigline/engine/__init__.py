"""What a stage and a pipeline are, and how they run: once for every distinct input."""
