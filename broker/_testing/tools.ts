/**
 * Short ways to write tools in tests.
 *
 * @module
 */

/** JSON text of a tool, as a server would write it. */
export function toolText(
  name: string,
  more: Readonly<Record<string, unknown>> = {},
): string {
  return JSON.stringify({ name, inputSchema: { type: "object" }, ...more });
}

/** The same as UTF-8. */
export function toolBytes(
  name: string,
  more: Readonly<Record<string, unknown>> = {},
): Uint8Array {
  return new TextEncoder().encode(toolText(name, more));
}
