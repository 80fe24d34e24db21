/**
 * A gateway of a cell's own, with servers that no other cell has.
 *
 * @module
 */

import type { LocalGatewayOptions } from "../../shared/local/gateway.ts";
import type { ServerEntry } from "../support/config_file.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import type { Bench } from "./cell.ts";
import { type BenchServer, startBenchServer } from "./bench_server.ts";
import { benchEnvoy } from "./world.ts";

/** A gateway and the server behind it. */
export interface OwnGateway extends AsyncDisposable {
  /** The gateway. */
  readonly gateway: TestGateway;
  /** The server. */
  readonly server: BenchServer;
  /** `HOST:PORT` of the gateway. */
  readonly address: string;
}

/** Starts one, with a single thread of Envoy. */
export async function startOwnGateway(
  { tools }: Bench,
  servers: (address: string) => readonly ServerEntry[],
  local: Partial<LocalGatewayOptions> = {},
): Promise<OwnGateway> {
  await using owned = new AsyncDisposableStack();
  const server = owned.use(await startBenchServer(tools));
  const gateway = owned.use(
    await startGateway({
      servers: servers(server.address),
      local: { envoy: await benchEnvoy(), envoyConcurrency: 1, ...local },
    }),
  );
  const everything = owned.move();
  return {
    gateway,
    server,
    address: `127.0.0.1:${gateway.local.port}`,
    [Symbol.asyncDispose]: () => everything.disposeAsync(),
  };
}
