"""What pooling models answer: vectors, scores, ranks, classes."""
