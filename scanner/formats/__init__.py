"""One container a module: bytes in, pickle traces, tensors and a map of the file out."""
