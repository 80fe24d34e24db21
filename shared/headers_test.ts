import { assertEquals } from "@std/assert";
import { isInternalHeader } from "./headers.ts";

const CASES: readonly (readonly [string, boolean])[] = [
  ["x-destination-mcp", true],
  ["X-Destination_MCP", true],
  ["x-mcp-tool", true],
  ["x_mcp_anything", true],
  ["mcp-session-id", false],
  ["mcp_session_id", true],
  ["mcp-session_id", true],
  ["mcp_param_region", true],
  ["mcp-param-region", false],
  ["Mcp-Param-user_id", false],
  ["x-forwarded-for", false],
  ["accept", false],
];
for (const [name, want] of CASES) {
  Deno.test(`isInternalHeader() on ${name}`, () => {
    assertEquals(isInternalHeader(name), want);
  });
}
