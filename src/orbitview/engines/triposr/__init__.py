"""TripoSR (Tochilkin et al. 2024, arXiv 2403.02151; MIT): an independent implementation of its inference."""
