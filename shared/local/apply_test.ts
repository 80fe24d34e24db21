import { assertEquals, assertRejects } from "@std/assert";
import type { ServerConfig } from "../config/model.ts";
import { applyConfig, type ApplySteps, type Candidate } from "./apply.ts";
import type { EnvoyServers } from "../envoy/files.ts";

function candidate(version: string, ...names: string[]): Candidate {
  return {
    config: { version, servers: [], virtualServers: [] },
    text: `text ${version}`,
    servers: {
      clusters: names.map((name) => ({ name })),
      routed: names.map((name) => ({
        server: { name, hostname: name } as ServerConfig,
        cluster: name,
      })),
    },
  };
}

/** Writes down what happens; the named step fails. */
function recorder(failing?: string): { done: string[]; steps: ApplySteps } {
  const done: string[] = [];
  const step = (line: string): Promise<void> => {
    done.push(line);
    return line === failing
      ? Promise.reject(new Error("no"))
      : Promise.resolve();
  };
  const named = ({ clusters }: EnvoyServers) =>
    clusters.map(({ name }) => name).join();
  const routed = ({ routed }: EnvoyServers) =>
    routed.map(({ cluster }) => cluster).join();
  return {
    done,
    steps: {
      clusters: (servers, version) =>
        step(`clusters ${named(servers)} ${version}`),
      routes: (servers, version) =>
        step(`routes ${routed(servers)} ${version}`),
      publish: (text) => step(`publish ${text}`),
      inForce: (version) => step(`in force ${version}`),
    },
  };
}

const before = candidate("1", "a", "b");
const next = candidate("2", "b", "c");

Deno.test("applyConfig() makes before it breaks: clusters before routes, programs in between", async () => {
  const { done, steps } = recorder();
  await applyConfig(before, next, steps);
  assertEquals(done, [
    "clusters a,b,b,c 2+",
    "routes b,c,a 2+",
    "publish text 2",
    "in force 2",
    "routes b,c 2",
    "clusters b,c 2",
  ]);
});

for (const failing of ["clusters a,b,b,c 2+", "routes b,c,a 2+"]) {
  Deno.test(`applyConfig() goes back to the old servers when Envoy refuses ${failing}`, async () => {
    const { done, steps } = recorder(failing);
    await assertRejects(() => applyConfig(before, next, steps), Error, "no");
    assertEquals(done.slice(done.indexOf(failing) + 1), [
      "clusters a,b 1 again",
      "routes a,b 1 again",
    ]);
  });
}

Deno.test("applyConfig() leaves both in Envoy when a program does not take the file", async () => {
  const { done, steps } = recorder("in force 2");
  await assertRejects(() => applyConfig(before, next, steps), Error, "no");
  assertEquals(done.at(-1), "in force 2");
});
