/**
 * `deno task bench:executables [STARTS] [--publish]`: measures size, start and
 * memory of the executables, prints the table of README.md, and puts it there.
 *
 * @module
 */

import {
  buildPrograms,
  type Executable,
} from "../../../shared/local/build/build.ts";
import { PAIR_VERSION } from "../../../shared/local/build/deno_pair.ts";
import type { ExecutableName } from "../../../shared/local/build/permissions.ts";
import { freePort, releasePort } from "../../../shared/local/ports.ts";
import { delay } from "../../../shared/wait.ts";
import { Cluster } from "../../control_plane/_cluster.ts";
import {
  ENVOY_FILTERS,
  GATEWAY,
  HOME,
  TEAM,
  writeServiceAccount,
} from "../../control_plane/_controller.ts";
import { availableKubeTools, there } from "../../control_plane/_kube_tools.ts";
import { manifestFiles } from "../../control_plane/_world.ts";
import {
  directoriesIn,
  launchFrom,
  startExecutables,
} from "../../executables/_gateway.ts";
import { CACHE_DIR } from "../../executables/_pair.ts";
import { startRawServer } from "../../fixtures/raw_server.ts";
import { PROJECT_DIR } from "../../support/paths.ts";
import { RawClient } from "../../support/raw_client.ts";
import { thisMachine } from "../machine.ts";
import { usageOf } from "../process_usage.ts";
import { putBetween } from "../report/markdown.ts";
import { type Spread, spread } from "../statistics.ts";
import { executablesReport, type Measured } from "./table.ts";

const HOST = "127.0.0.1";
const STARTS = 21;
const CALLS = 5_000;
const AT_ONCE = 16;
/** What a program does once, after its start, is over by then. */
const SETTLED_MS = 3_000;
const DEADLINE_MS = 60_000;

/** How a program is started. */
interface Launch {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts a program, ends it when it is ready, and tells how long that took. */
async function timeToReady(launch: Launch): Promise<number> {
  await using program = await started(launch);
  return program.readyMs;
}

/** A program that is ready. */
interface Started extends AsyncDisposable {
  readonly pid: number;
  readonly readyMs: number;
}

async function started({ command, args, env }: Launch): Promise<Started> {
  const port = freePort(HOST);
  const startedAt = performance.now();
  const child = new Deno.Command(command, {
    args: [...args, `--internal-listen=${HOST}:${port}`],
    ...(env ? { env } : {}),
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const stop = async () => {
    child.kill("SIGTERM");
    await child.status;
    releasePort(port);
  };
  try {
    while (!await isReady(`http://${HOST}:${port}/readyz`)) {
      if (performance.now() - startedAt > DEADLINE_MS) {
        throw new Error(`${command} ${args.join(" ")} does not become ready`);
      }
      await delay(1);
    }
  } catch (cause) {
    await stop();
    throw cause;
  }
  const readyMs = performance.now() - startedAt;
  return { pid: child.pid, readyMs, [Symbol.asyncDispose]: stop };
}

async function isReady(url: string): Promise<boolean> {
  try {
    const response = await fetch(url);
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false; // it does not listen yet
  }
}

async function manyStarts(launch: Launch, starts: number): Promise<Spread> {
  await timeToReady(launch); // the file is in memory after that, and its state there
  const times: number[] = [];
  while (times.length < starts) times.push(await timeToReady(launch));
  return spread(times);
}

/** Router and broker, one after the other, then both under calls. */
async function measureGateway(
  root: string,
  bin: string,
  starts: number,
): Promise<Record<"router" | "broker", Omit<Measured, "program" | "bytes">>> {
  await using server = startRawServer({ name: "one" });
  await using gateway = await startExecutables({
    launch: launchFrom(bin),
    root,
    servers: [{ name: "one", url: server.url, prefix: "one_" }],
  });
  await delay(SETTLED_MS);
  const rss = async (name: "router" | "broker") =>
    (await usageOf(gateway[name].pid)).rss;
  const idle = { router: await rss("router"), broker: await rss("broker") };
  const clients = await Promise.all(
    Array.from({ length: AT_ONCE }, () => RawClient.connect(gateway.url)),
  );
  let left = CALLS;
  await Promise.all(clients.map(async (client) => {
    while (left-- > 0) {
      const { status, text } = await client.call("one_echo", { n: left });
      if (status !== 200) throw new Error(`A call failed: ${text}`);
      if (server.requests.length > 1_000) server.clear();
    }
  }));
  const busy = { router: await rss("router"), broker: await rss("broker") };

  const { config, secrets, state, sockets } = directoriesIn(root);
  const common = [
    `--config=${config}/config.yaml`,
    `--secrets-dir=${secrets}`,
    `--state-dir=${state}`,
  ];
  // A router starts beside a broker that is there.
  await gateway.router.stop();
  const router = await manyStarts({
    command: `${bin}/router`,
    args: [
      ...common,
      `--listen=unix:${sockets}/router.sock`,
      `--catalog-url=${gateway.internalUrls.broker}`,
    ],
  }, starts);
  await gateway.broker.stop();
  const broker = await manyStarts({
    command: `${bin}/broker`,
    args: [...common, `--listen=${HOST}:0`],
  }, starts);
  return {
    router: { ready: router, idle: idle.router, busy: busy.router },
    broker: { ready: broker, idle: idle.broker, busy: busy.broker },
  };
}

/** The controller, with an API server that has one gateway to plan. */
async function measureController(
  root: string,
  bin: string,
  starts: number,
): Promise<Omit<Measured, "program" | "bytes">> {
  await using cluster = await Cluster.start(there(await availableKubeTools()));
  for (const file of await manifestFiles()) await cluster.admin.applyFile(file);
  await cluster.admin.applyYaml(ENVOY_FILTERS);
  await cluster.createNamespace(TEAM);
  await cluster.admin.applyYaml(GATEWAY);
  const { serviceAccount } = directoriesIn(root);
  await writeServiceAccount(
    cluster,
    HOME,
    "mcp-gateway-controller",
    serviceAccount,
  );
  const { hostname, port } = new URL(cluster.url);
  const launch = {
    command: `${bin}/controller`,
    args: [`--service-account-dir=${serviceAccount}`],
    env: { KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port },
  };
  const ready = await manyStarts(launch, starts);
  await using program = await started(launch);
  await delay(SETTLED_MS);
  const { rss: idle } = await usageOf(program.pid);
  return { ready, idle };
}

async function main(): Promise<void> {
  const [starts = STARTS] = Deno.args.map(Number).filter(Number.isInteger);
  const machine = await thisMachine();
  const root = await Deno.makeTempDir({ prefix: "bench-executables-" });
  try {
    const bin = `${root}/bin`;
    const built = await buildPrograms({
      programs: ["router", "broker", "controller"],
      out: bin,
      directories: directoriesIn(root),
      cacheDir: CACHE_DIR,
      runtime: { kind: "pair" },
      progress: (line) => console.error(line),
    });
    const measured = {
      ...await measureGateway(root, bin, starts),
      controller: await measureController(root, bin, starts),
    };
    const row = ({ program, bytes }: Executable) => ({
      program,
      bytes,
      ...measured[program as ExecutableName],
    });
    const report = executablesReport({
      executables: built.map(row),
      starts,
      calls: CALLS,
      deno: PAIR_VERSION,
      machine,
    });
    console.log(report);
    if (Deno.args.includes("--publish")) await publish(report);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

async function publish(report: string): Promise<void> {
  const readme = `${PROJECT_DIR}/README.md`;
  const text = await Deno.readTextFile(readme);
  await Deno.writeTextFile(readme, putBetween(text, "executables", report));
  await new Deno.Command(Deno.execPath(), { args: ["fmt", "-q", readme] })
    .output();
}

if (import.meta.main) await main();
