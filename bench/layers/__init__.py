"""How fast the recurrent layers are: against torch.nn, with lengths, regularised, in a training step, against peers."""
