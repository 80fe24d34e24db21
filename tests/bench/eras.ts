/**
 * What a call costs on its way straight to its server, in the session era and
 * in the stateless one: `deno task bench:eras [ROUNDS] [CONCURRENCY] [MS]`.
 *
 * One gateway (real Envoy, router and broker), two minimal servers in workers,
 * the same tool with the same arguments. Rounds of both eras take turns, so
 * that whatever else the machine does hits both; what is compared is the ratio
 * of each pair of rounds, and its median. CPU is read from `/proc`: elsewhere
 * than on Linux it is missing.
 *
 * @module
 */

import { startGateway } from "../support/gateway.ts";
import { mirrors, StatelessClient } from "../support/stateless_client.ts";

const [rounds = 12, concurrency = 16, roundMs = 2_000] = Deno.args.map(Number);

/** What one round came to. */
interface Round {
  /** Calls per second. */
  readonly rate: number;
  /** CPU time of the router per call, microseconds. */
  readonly router: number;
  /** The same of Envoy. */
  readonly envoy: number;
  /** Latency of a call, milliseconds: the median. */
  readonly p50: number;
}

/** Sends one call and reads its answer. */
type Call = () => Promise<void>;

/** Starts a server; disposing of it ends it. */
async function minimalServer(): Promise<Disposable & { readonly url: string }> {
  const url = new URL("./_minimal_server.ts", import.meta.url);
  const worker = new Worker(url, { type: "module" });
  const { promise, resolve } = Promise.withResolvers<number>();
  worker.onmessage = ({ data }) => resolve(data);
  const port = await promise;
  return {
    url: `http://127.0.0.1:${port}/mcp`,
    [Symbol.dispose]: () => worker.terminate(),
  };
}

/** CPU time that a process has used, microseconds. */
async function cpuOf(pid: number): Promise<number> {
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`).catch(() => "");
  // Fields behind the name, which may have spaces in it; ticks of 10 ms.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? sorted[middle]!
    : (sorted[middle - 1]! + sorted[middle]!) / 2;
};

await using stack = new AsyncDisposableStack();
const session = stack.use(await minimalServer());
const stateless = stack.use(await minimalServer());
const gateway = stack.use(
  await startGateway({
    servers: [
      { name: "old", url: session.url, prefix: "old_", era: "session" },
      { name: "new", url: stateless.url, prefix: "new_", era: "stateless" },
    ],
    local: { envoyConcurrency: 1 },
  }),
);
const { router, envoy } = gateway.local;
const client = await gateway.connect();
const modern = new StatelessClient(gateway.url);
const args = { text: "x".repeat(200), n: 7 };
const params = (name: string) => ({ name, arguments: args });
const calls: Readonly<Record<"session" | "stateless", Call>> = {
  session: sender(
    JSON.stringify({
      jsonrpc: "2.0",
      id: 1,
      method: "tools/call",
      params: params("old_echo"),
    }),
    {
      "mcp-session-id": client.session ?? "",
      "mcp-protocol-version": "2025-11-25",
    },
  ),
  stateless: sender(
    JSON.stringify({
      jsonrpc: "2.0",
      id: 1,
      method: "tools/call",
      params: { ...params("new_echo"), _meta: JSON.parse(`{${modern.meta}}`) },
    }),
    {
      "mcp-protocol-version": "2026-07-28",
      ...mirrors("tools/call", params("new_echo")),
    },
  ),
};

function sender(body: string, added: Record<string, string>): Call {
  const headers = {
    accept: "application/json, text/event-stream",
    "content-type": "application/json",
    ...added,
  };
  return async () => {
    const response = await fetch(gateway.url, {
      method: "POST",
      headers,
      body,
    });
    const text = await response.text();
    if (response.status !== 200 || !text.includes('"ok"')) {
      throw new Error(`Cannot measure: ${response.status} ${text}`);
    }
  };
}

async function run(call: Call, ms: number): Promise<Round> {
  const before = [await cpuOf(router.pid), await cpuOf(envoy.pid)] as const;
  const started = performance.now();
  const latencies: number[] = [];
  await Promise.all(Array.from({ length: concurrency }, async () => {
    while (performance.now() - started < ms) {
      const sent = performance.now();
      await call();
      latencies.push(performance.now() - sent);
    }
  }));
  const seconds = (performance.now() - started) / 1_000;
  const count = latencies.length;
  return {
    rate: count / seconds,
    router: (await cpuOf(router.pid) - before[0]) / count,
    envoy: (await cpuOf(envoy.pid) - before[1]) / count,
    p50: median(latencies),
  };
}

for (const call of Object.values(calls)) await run(call, 3_000);
const measured: Record<keyof typeof calls, Round[]> = {
  session: [],
  stateless: [],
};
for (let round = 0; round < rounds; round++) {
  const order = round % 2 === 0
    ? ["session", "stateless"] as const
    : ["stateless", "session"] as const;
  for (const era of order) {
    measured[era].push(await run(calls[era], roundMs));
  }
}

console.log(
  `${rounds} rounds of ${roundMs} ms, ${concurrency} calls at once; medians`,
);
for (const [era, of] of Object.entries(measured)) {
  const show = (key: keyof Round) => median(of.map((one) => one[key]));
  console.log(
    `  ${era.padEnd(9)} ${show("rate").toFixed(0)} calls/s, p50 ${
      show("p50").toFixed(2)
    } ms, CPU per call: router ${show("router").toFixed(0)} us, Envoy ${
      show("envoy").toFixed(0)
    } us`,
  );
}
const ratio = (key: keyof Round) => {
  const ratios = measured.stateless.map((one, i) =>
    one[key] / measured.session[i]![key]
  );
  const [low, high] = [Math.min(...ratios), Math.max(...ratios)];
  return `${median(ratios).toFixed(3)} [${low.toFixed(2)}..${high.toFixed(2)}]`;
};
console.log(
  `  stateless/session, pair by pair: calls/s ${ratio("rate")}, ` +
    `router CPU ${ratio("router")}, Envoy CPU ${ratio("envoy")}`,
);
