/**
 * Values that the router's tests start from.
 *
 * @module
 */

import type { ClientSession } from "../shared/sessions/sessions.ts";

/** A live session of a client that declared nothing. */
export const session: ClientSession = {
  id: "client-1",
  identity: "ada",
  route: "/mcp",
  revision: "2025-11-25",
  capabilities: {},
  issuedAt: 0,
  expiresAt: 1,
};
