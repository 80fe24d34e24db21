/**
 * What a client sees of the catalog: all of it, or a virtual server's part.
 * Each view has a hash, so that clients are told of changes to what they see
 * and of nothing else. Pure.
 *
 * @module
 */

import { arrayParts, joinBytes } from "../../shared/bytes.ts";
import type { VirtualServerConfig } from "../../shared/config/model.ts";
import { type MergedTool, shortHash } from "./merge.ts";

/** Key of the view that shows everything. */
export const WHOLE_CATALOG = "";

const HEAD = new TextEncoder().encode('{"tools":');
const TAIL = new TextEncoder().encode("}");

/** One selection of the catalog, at one moment. */
export class View {
  /** {@linkcode WHOLE_CATALOG}, or the virtual server's name. */
  readonly key: string;
  /** The tools in it, by exposed name, in the order clients see. */
  readonly tools: ReadonlyMap<string, MergedTool>;
  #hash: string | undefined;
  #listing: Uint8Array | undefined;

  /** Selects; `only` absent means all. */
  constructor(
    key: string,
    tools: readonly MergedTool[],
    only?: ReadonlySet<string>,
  ) {
    this.key = key;
    this.tools = new Map(
      tools.filter((tool) => only === undefined || only.has(tool.exposed))
        .map((tool) => [tool.exposed, tool]),
    );
  }

  /**
   * Hash of the contents. The order does not count: some servers list in a
   * different one each time, which is no news to a client.
   */
  get hash(): string {
    return this.#hash ??= shortHash(
      [...this.tools.values()].map((tool) => tool.hash).sort().join(),
    );
  }

  /** The result of `tools/list`: JSON text, UTF-8. */
  get listing(): Uint8Array {
    return this.#listing ??= writeListing([...this.tools.values()]);
  }
}

/** All views there are, by key. */
export type Views = ReadonlyMap<string, View>;

/** Makes the views of one state of the catalog. */
export function makeViews(
  tools: readonly MergedTool[],
  virtualServers: readonly VirtualServerConfig[],
): Views {
  const views = new Map([[WHOLE_CATALOG, new View(WHOLE_CATALOG, tools)]]);
  for (const virtual of virtualServers) {
    views.set(
      virtual.name,
      new View(virtual.name, tools, new Set(virtual.tools)),
    );
  }
  return views;
}

/** Keys of views that look different to a client, or came, or went. */
export function changedViews(before: Views, after: Views): readonly string[] {
  const keys = new Set([...before.keys(), ...after.keys()]);
  return [...keys].filter((key) =>
    before.get(key)?.hash !== after.get(key)?.hash
  );
}

function writeListing(tools: readonly MergedTool[]): Uint8Array {
  return joinBytes([HEAD, ...arrayParts(tools.map((t) => t.bytes)), TAIL]);
}
