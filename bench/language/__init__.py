"""Recurrent language models: speed and memory of a step beside torch.nn, and quality of the recipes."""
