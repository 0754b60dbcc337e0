"""MV-Adapter (Huang et al. 2024, arXiv 2412.03632), image to six views, on diffusers' building blocks; needs the
[diffusion] extra.

Written anew from the paper and from the published pipeline's numbers, names and order of computation
(github.com/huanngzh/MV-Adapter, Apache-2.0).
"""
