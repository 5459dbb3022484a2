"""The diffusion engine: paths, denoisers, samplers, tiles. Imports torch and nothing above itself."""
