/**
 * Clients for a machine that call a tool without a pause: `keep_calling.ts URL
 * TOOL [CA]`. Says that it has begun; told to stop, it prints the number of
 * calls, and what was no answer, as JSON.
 *
 * @module
 */

import { RawClient } from "../support/raw_client.ts";

const CLIENTS = 4;
const [url = "", tool = "", ca] = Deno.args;
const http = Deno.createHttpClient(
  ca === undefined ? {} : { caCerts: [await Deno.readTextFile(ca)] },
);
const failures: string[] = [];
let calls = 0;
let over = false;
Deno.addSignalListener("SIGTERM", () => over = true);

async function keepCalling(): Promise<void> {
  const client = await RawClient.connect(url, { http });
  while (!over) {
    try {
      const { status, message, text } = await client.call(tool, {});
      if (status !== 200 || message?.result === undefined) {
        failures.push(`${status} ${text}`);
      }
    } catch (error) {
      failures.push(String(error));
    }
    if (++calls === 1) console.log("calls");
  }
}

await Promise.all(Array.from({ length: CLIENTS }, keepCalling));
console.log(JSON.stringify({ calls, failures: failures.slice(0, 5) }));
Deno.exit(0);
