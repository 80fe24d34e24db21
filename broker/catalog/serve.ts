/**
 * Serves the catalog to routers: at once, or when it changes.
 *
 * @see ../../shared/catalog.ts
 * @module
 */

import { refusalResponse } from "../../shared/errors.ts";
import type { CurrentCatalog } from "./current_catalog.ts";

/** Longest wait, seconds: connections through proxies do not last for ever. */
const MAX_WAIT_S = 60;

/**
 * Answers a request for the catalog: with `If-None-Match` naming the one in
 * force and `Prefer: wait=SECONDS`, not before there is another one or the
 * time is over.
 *
 * @param settled Whether the catalog is worth serving yet.
 * @param ending Aborts when the listener closes: whoever waits is answered.
 */
export async function serveCatalog(
  request: Request,
  catalog: CurrentCatalog,
  settled: () => boolean,
  ending: AbortSignal,
): Promise<Response> {
  // A broker that has just started knows less than what a router remembers.
  if (!settled()) return refusalResponse({ kind: "catalog unavailable" }, null);
  const known = knownVersion(request.headers.get("if-none-match"));
  if (known !== undefined) {
    await within(
      waitSeconds(request.headers.get("prefer")) * 1000,
      // Not the request's own signal, which Deno aborts after each answer too:
      // who left is waited for a little longer, at no cost.
      ending,
      (signal) => catalog.changedFrom(known, signal),
    );
  }
  const { state } = catalog;
  if (state === undefined) {
    return refusalResponse({ kind: "not configured" }, null);
  }
  const { version } = state.merged.catalog;
  const headers = { etag: `"${version}"`, "cache-control": "no-cache" };
  return version === known
    ? new Response(null, { status: 304, headers })
    : Response.json(state.merged.catalog, { headers });
}

function knownVersion(ifNoneMatch: string | null): string | undefined {
  return /^\s*(?:W\/)?"([^"]*)"\s*$/.exec(ifNoneMatch ?? "")?.[1];
}

/** RFC 7240, section 4.3. */
function waitSeconds(prefer: string | null): number {
  const wait = /(?:^|[,;\s])wait\s*=\s*(\d{1,6})/i.exec(prefer ?? "")?.[1];
  return Math.min(Number(wait ?? 0), MAX_WAIT_S);
}

async function within(
  ms: number,
  signal: AbortSignal,
  run: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const over = new AbortController();
  const timer = setTimeout(() => over.abort(), ms);
  try {
    await run(AbortSignal.any([signal, over.signal]));
  } finally {
    clearTimeout(timer);
  }
}
