"""Models: weights, architecture and card in one safetensors file."""
