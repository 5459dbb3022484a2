"""Training: photographs to crops, a recipe, and the loop. Needs torch, numpy, Pillow, safetensors."""
