/**
 * An Envoy with the configuration that a gateway's has, beside it: for the
 * same servers, with another external processor, another broker, or none.
 *
 * @module
 */

import type { GatewayConfig } from "../../shared/config/model.ts";
import {
  type Endpoint,
  type EnvoyOptions,
  envoyOptions,
} from "../../shared/envoy/options.ts";
import { EnvoyAdmin } from "../../shared/envoy/admin.ts";
import { EnvoyFiles, envoyServers } from "../../shared/envoy/files.ts";
import { freePort, releasePort } from "../../shared/local/ports.ts";
import { LocalProcess } from "../../shared/local/processes.ts";

/** What it is for. */
export interface EnvoyBesideOptions {
  /** Its name in messages. */
  readonly name: string;
  /** Path of Envoy. */
  readonly envoy: string;
  /** Configuration whose servers it has routes to. */
  readonly config: GatewayConfig;
  /** Where its external processor is; none where left out. */
  readonly processor?: Endpoint;
  /** Where what the broker answers goes. */
  readonly broker: Endpoint;
}

/** An Envoy that runs; disposing of it ends it. */
export interface EnvoyBeside extends AsyncDisposable {
  /** `HOST:PORT` of its listener. */
  readonly address: string;
  /** Base URL of its admin interface. */
  readonly adminUrl: string;
  /** Its process id. */
  readonly pid: number;
}

const HOST = "127.0.0.1";
const NOWHERE: Endpoint = { kind: "unix", path: "/nowhere.sock" };

/** Starts one with a single thread, as the gateway's. */
export async function startEnvoyBeside(
  options: EnvoyBesideOptions,
): Promise<EnvoyBeside> {
  await using owned = new AsyncDisposableStack();
  const dir = await Deno.makeTempDir({ prefix: "bench-envoy-" });
  owned.defer(() => Deno.remove(dir, { recursive: true }));
  const [port, adminPort] = [freePort(HOST), freePort(HOST)];
  owned.defer(() => [port, adminPort].forEach(releasePort));
  const envoy = envoyOptions({
    listen: { kind: "tcp", host: HOST, port },
    brokers: [options.broker],
    routers: [options.processor ?? NOWHERE],
  });
  await writeFiles(dir, envoy, options, adminPort);
  const adminUrl = `http://${HOST}:${adminPort}`;
  const admin = new EnvoyAdmin(adminUrl, () => process.log);
  const process: LocalProcess = new LocalProcess({
    name: options.name,
    command: options.envoy,
    args: [
      ...["-c", `${dir}/bootstrap.json`, "--disable-hot-restart"],
      ...["--concurrency", "1", "--log-level", "warn"],
    ],
    ready: (signal) => admin.ready(signal),
  });
  owned.use(process);
  await process.start();
  const everything = owned.move();
  return {
    address: `${HOST}:${port}`,
    adminUrl,
    pid: process.pid,
    [Symbol.asyncDispose]: () => everything.disposeAsync(),
  };
}

async function writeFiles(
  dir: string,
  envoy: EnvoyOptions,
  { config, processor }: EnvoyBesideOptions,
  adminPort: number,
): Promise<void> {
  const servers = await envoyServers(config, envoy, {
    secretsDir: dir,
    readTextFile: (path) => Deno.readTextFile(path),
    env: () => undefined,
  });
  await new EnvoyFiles(dir, envoy).writeAll(servers, config.version, {
    kind: "tcp",
    host: HOST,
    port: adminPort,
  });
  if (processor !== undefined) return;
  const lds = `${dir}/lds.json`;
  const text = await Deno.readTextFile(lds);
  await Deno.writeTextFile(lds, withoutProcessor(text));
}

/**
 * Takes the external processor out of the listeners' file, and nothing else.
 *
 * @throws {Error} Where none is in it.
 */
export function withoutProcessor(lds: string): string {
  let removed = 0;
  const text = JSON.stringify(
    JSON.parse(lds, (key, value) => {
      if (key !== "http_filters") return value;
      const kept = value.filter(({ name }: { readonly name: string }) =>
        name !== "envoy.filters.http.ext_proc"
      );
      removed += value.length - kept.length;
      return kept;
    }),
  );
  if (removed === 1) return text;
  throw new Error(`Cannot take one processor out: there are ${removed}`);
}
