"""Generation over time: slots, queue, pace, abort. Knows nothing of HTTP or JSON."""
