/**
 * Short ways to write tools and their like in tests.
 *
 * @module
 */

import { type ByKind, byKind } from "../catalog/kinds.ts";

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

/** What a server lists, by kind: values, as it would write them. */
export function itemsOf(
  items: Partial<ByKind<readonly unknown[]>>,
): ByKind<readonly Uint8Array[]> {
  return byKind((kind) =>
    (items[kind] ?? []).map((item) =>
      new TextEncoder().encode(JSON.stringify(item))
    )
  );
}
