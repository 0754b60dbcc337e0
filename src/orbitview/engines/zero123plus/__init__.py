"""Zero123++ (Shi et al. 2023, arXiv 2310.15110) on diffusers' building blocks; needs the [diffusion] extra."""
