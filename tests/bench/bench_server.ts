/**
 * The server behind everything that is measured.
 *
 * @module
 */

import { BenchTool } from "./bench_tools.ts";

/** The server behind everything. */
export interface BenchServer extends AsyncDisposable {
  /** Its process id. */
  readonly pid: number;
  /** `HOST:PORT`. */
  readonly address: string;
  /** What it has counted since it was asked the last time. */
  counts(): Promise<Readonly<Record<string, number>>>;
  /**
   * Changes its lists, and tells all who listen.
   *
   * @returns When it did, nanoseconds since 1970.
   */
  change(): Promise<bigint>;
}

/** Starts the server. */
export async function startBenchServer(tools: string): Promise<BenchServer> {
  const tool = new BenchTool(tools, ["server"]);
  const { port } = await tool.said<{ readonly port: number }>();
  const address = `127.0.0.1:${port}`;
  const get = async (path: string) =>
    await (await fetch(`http://${address}${path}`)).json();
  return {
    pid: tool.pid,
    address,
    counts: () => get("/counts"),
    change: async () => BigInt((await get("/change")).at),
    [Symbol.asyncDispose]: () => tool[Symbol.asyncDispose](),
  };
}
