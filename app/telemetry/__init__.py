"""What the service tells about itself: metrics, stage times, logs."""
