/**
 * All the sessions that a gateway holds at once, and what they take while
 * nobody uses them. `deno task bench --only memory` measures that exactly.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { LIMITS } from "../../shared/limits.ts";
import { startRawServer } from "../fixtures/raw_server.ts";
import { bearer } from "../support/bearer.ts";
import { startGateway } from "../support/gateway.ts";
import { proves } from "../support/proves.ts";
import { RawClient, type RawReply } from "../support/raw_client.ts";
import { eventually } from "../support/wait.ts";
import { INITIALIZE } from "./_sessions.ts";

/** Requests under way at once. */
const AT_ONCE = 16;
/** Sessions after which caches and code are warm. */
const WARM = 1_000;
/** Of those that use a server too. */
const CALLING = 100;
/** Bytes of a process's heap for one idle session, garbage included. */
const BYTES_EACH = 8 * 1024;

proves(
  "ten thousand sessions and no more, of a few kilobytes each",
  async () => {
    await using server = startRawServer();
    await using gateway = await startGateway({
      servers: [{ name: "raw", url: server.url }],
    });
    const identities = LIMITS.sessions / LIMITS.sessionsPerIdentity;
    const initialize = (identity: number): Promise<RawReply> =>
      new RawClient(gateway.url, { headers: bearer(`user${identity}`) })
        .send(INITIALIZE);
    let opened = 0;
    const open = async (count: number): Promise<void> => {
      const end = opened + count;
      await Promise.all(
        Array.from({ length: AT_ONCE }, async () => {
          while (opened < end) {
            const { status, text } = await initialize(opened++ % identities);
            assertEquals(status, 200, text);
          }
        }),
      );
    };

    await open(WARM - CALLING);
    const clients = await Promise.all(
      Array.from({ length: CALLING }, async () => {
        const headers = bearer(`user${opened++ % identities}`);
        const client = await gateway.connect({ headers });
        assertEquals((await client.call("echo")).status, 200);
        return client;
      }),
    );
    const { routerInternalUrl, brokerInternalUrl } = gateway.local;
    const urls = [routerInternalUrl, brokerInternalUrl];
    const before = await Promise.all(urls.map(heapOf));
    await open(LIMITS.sessions - WARM);

    const refused = await initialize(identities);
    assertEquals(refused.status, 429, refused.text);
    assertEquals(refused.message?.id, "again");
    assertEquals(refused.message?.error?.data, { retryable: true });
    assert(refused.headers.has("retry-after"));
    // Who has a session goes on.
    for (const client of clients.slice(0, 10)) {
      assertEquals((await client.call("echo")).status, 200);
    }
    await clients[0]!.delete();
    assertEquals((await initialize(identities)).status, 200);
    assertEquals((await initialize(identities)).status, 429);

    await eventually(async () => {
      // Whoever works collects garbage.
      await Promise.all(
        clients.slice(1, 50).map((client) => client.request("ping")),
      );
      const after = await Promise.all(urls.map(heapOf));
      const each = after.map((bytes, at) =>
        (bytes - before[at]!) / (LIMITS.sessions - WARM)
      );
      assert(each.every((bytes) => bytes < BYTES_EACH), `${each} bytes each`);
    });
  },
);

async function heapOf(url: string): Promise<number> {
  const text = await (await fetch(new URL("/metrics", url))).text();
  const bytes = /^process_heap_bytes (\S+)$/m.exec(text)?.[1];
  assert(bytes !== undefined, "the heap is not told");
  return Number(bytes);
}
