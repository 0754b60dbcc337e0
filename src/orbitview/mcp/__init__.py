"""The Model Context Protocol server: ``orbitview mcp`` (extra ``[mcp]``)."""
