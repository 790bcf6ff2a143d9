"""What runs inside the kernels of chapters: it writes down what they read."""
