"""A sample MCP server in Python: what time it is, anywhere.

Serves the session era over streamable HTTP at ``/mcp`` with the official
Python SDK. Run as ``python3 clock.py --port PORT``.
"""

from datetime import datetime, timezone
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import announced
from mcp.server import MCPServer

server = MCPServer(
    "clock",
    version="1.0.0",
    instructions="Times and time zones. Name zones as IANA does: Europe/Berlin.",
)


def zone_named(name: str) -> ZoneInfo:
    """Looks a time zone up, and says what a name should look like."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as cause:
        raise ValueError(f"{name!r} is no time zone; try Europe/Berlin") from cause


@server.tool()
def now(zone: str = "UTC") -> str:
    """Tells the time in a time zone, in ISO 8601."""
    return datetime.now(zone_named(zone)).isoformat(timespec="seconds")


@server.tool()
def convert(time: str, zone: str) -> str:
    """Converts an ISO 8601 time into a time zone; a time without one is UTC."""
    moment = datetime.fromisoformat(time)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return moment.astimezone(zone_named(zone)).isoformat(timespec="seconds")


@server.tool()
def days_between(first: str, second: str) -> int:
    """Counts the days from one ISO 8601 date to another."""
    return (
        datetime.fromisoformat(second).date() - datetime.fromisoformat(first).date()
    ).days


if __name__ == "__main__":
    announced.run(server)
