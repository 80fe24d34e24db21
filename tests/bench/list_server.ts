/**
 * What the broker is compared with: a handler of `Deno.serve` that answers
 * pages of a list from memory, in a process of its own.
 *
 * As a program, it reads the pages from the file that its argument names.
 *
 * @module
 */

import type { Step } from "./campaign.ts";
import { TextLineStream } from "../../shared/local/text_lines.ts";

/** A page, by the cursor that it is asked for with; "" is the first one's. */
interface Page {
  readonly cursor: string;
  readonly before: string;
  readonly after: string;
}

/** A server that runs; disposing of it ends it. */
export interface ListServer extends AsyncDisposable {
  /** Port on 127.0.0.1. */
  readonly port: number;
  /** Its process id. */
  readonly pid: number;
}

/** Starts one that answers as these requests were answered. */
export async function startListServer(
  steps: readonly Step[],
): Promise<ListServer> {
  await using owned = new AsyncDisposableStack();
  const file = await Deno.makeTempFile({ prefix: "bench-list-" });
  owned.defer(() => Deno.remove(file));
  const pages = steps.map(({ body = "", before = "", after = "" }): Page => ({
    cursor: JSON.parse(body.replace("{id}", "0")).params.cursor ?? "",
    before,
    after,
  }));
  await Deno.writeTextFile(file, JSON.stringify(pages));
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", import.meta.url, file],
    stdout: "piped",
    stdin: "piped",
  }).spawn();
  owned.defer(async () => {
    // Its input ends, and so does it.
    await child.stdin.close();
    await child.status;
  });
  const lines = child.stdout.pipeThrough(new TextDecoderStream())
    .pipeThrough(new TextLineStream()).getReader();
  owned.defer(() => lines.cancel());
  const { value } = await lines.read();
  if (value === undefined) {
    throw new Error("Cannot measure: the server of lists did not start");
  }
  const everything = owned.move();
  return {
    port: Number(value),
    pid: child.pid,
    [Symbol.asyncDispose]: () => everything.disposeAsync(),
  };
}

/** Serves pages. */
async function serve(file: string): Promise<void> {
  const encoder = new TextEncoder();
  const pages = new Map(
    (JSON.parse(await Deno.readTextFile(file)) as readonly Page[]).map((
      { cursor, before, after },
    ) => [
      cursor,
      { before: encoder.encode(before), after: encoder.encode(after) },
    ]),
  );
  const headers = { "content-type": "application/json" };
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request) => {
      const { id, params } = await request.json();
      const page = pages.get(params.cursor ?? "");
      if (page === undefined) return new Response(null, { status: 404 });
      const middle = encoder.encode(String(id));
      const { before, after } = page;
      const bytes = new Uint8Array(
        before.length + middle.length + after.length,
      );
      bytes.set(before);
      bytes.set(middle, before.length);
      bytes.set(after, before.length + middle.length);
      return new Response(bytes, { headers });
    },
  );
  console.log(server.addr.port);
  // However whoever started this goes.
  for await (const _ of Deno.stdin.readable);
  await server.shutdown();
}

if (import.meta.main) await serve(Deno.args[0] ?? "");
