"""Training of recurrent language models: truncated back-propagation through time over streams of text."""
