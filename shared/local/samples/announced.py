"""Runs an MCP server of the Python SDK as a program that says where it listens.

It prints ``listening on http://127.0.0.1:PORT/mcp`` once it answers.
"""

import argparse
import socket

import uvicorn
from mcp.server import MCPServer


class AnnouncingServer(uvicorn.Server):
    """Says where it listens once it does, so that nobody has to guess."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        port = self.servers[0].sockets[0].getsockname()[1]
        print(f"listening on http://127.0.0.1:{port}/mcp", flush=True)


def run(server: MCPServer) -> None:
    """Serves until the process is told to end; ``--port 0`` takes a free one."""
    options = argparse.ArgumentParser()
    options.add_argument("--port", type=int, default=0)
    port = options.parse_args().port
    app = server.streamable_http_app()
    AnnouncingServer(
        uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning")
    ).run()
