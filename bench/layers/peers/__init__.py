"""Other libraries' recurrent layers beside ours: JAX, Keras on TensorFlow, ONNX Runtime."""
