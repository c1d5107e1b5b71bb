"""What cells compute beyond the lengths that they were trained on."""
