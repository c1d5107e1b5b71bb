"""How long whole training steps and epochs take: the native engine beside the torch engine and plain PyTorch."""
