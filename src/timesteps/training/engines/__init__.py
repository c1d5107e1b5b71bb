"""What takes the steps of a training run: one loop, several engines."""
