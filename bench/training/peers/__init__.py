"""The same training steps by other libraries: Keras on TensorFlow with and without XLA, JAX."""
