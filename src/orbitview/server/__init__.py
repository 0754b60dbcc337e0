"""The HTTP server: the hosted contract, our own REST, files and operations."""
