/**
 * `deno task build` with the pair from PyPI: what it makes, what that may do,
 * and that it is a gateway.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  buildPrograms,
  type Executable,
  variablesOf,
} from "../../shared/local/build/build.ts";
import { bundleProgram } from "../../shared/local/build/bundle.ts";
import { PAIR_VERSION } from "../../shared/local/build/deno_pair.ts";
import {
  permissionFlags,
  RECIPES,
} from "../../shared/local/build/permissions.ts";
import type { ProgramName } from "../../shared/local/programs.ts";
import { VERSION } from "../../shared/version.ts";
import { startRawServer } from "../fixtures/raw_server.ts";
import { PROJECT_DIR } from "../support/paths.ts";
import { shared } from "../support/proves.ts";
import { RawClient } from "../support/raw_client.ts";
import { eventually } from "../support/wait.ts";
import { directoriesIn, startExecutables, temporaryIn } from "./_gateway.ts";
import { CACHE_DIR, pairIfAny } from "./_pair.ts";

const MAX_BYTES = 110e6;
/** Far more than it takes: 0.1 s on a machine with nothing else to do. */
const MAX_READY_MS = 5_000;
const COMMIT = "0123456789ab";
const pair = await pairIfAny();

function provesOfExecutables(
  sentence: string,
  test: () => Promise<void>,
): void {
  Deno.test({
    name: sentence,
    fn: test,
    ignore: pair === undefined,
    sanitizeOps: false,
    sanitizeResources: false,
  });
}

interface Built {
  /** What stands for `/` on a machine. */
  readonly root: string;
  readonly executables: readonly Executable[];
}

const built = shared<Built>(async (stack) => {
  const root = await Deno.makeTempDir({ prefix: "gateway-built-" });
  stack.defer(() => Deno.remove(root, { recursive: true }));
  const executables = pair === undefined ? [] : await build(root, "bin");
  return { root, executables };
});

function build(root: string, folder: string): Promise<readonly Executable[]> {
  return buildPrograms({
    programs: ["router", "broker", "controller"],
    out: `${root}/${folder}`,
    directories: directoriesIn(root),
    cacheDir: CACHE_DIR,
    runtime: { kind: "pair" },
    commit: COMMIT,
    progress: () => {},
  });
}

provesOfExecutables(
  "each executable is one file below 110 MB that tells its version, commit and Deno",
  async () => {
    const { root, executables } = built();
    for (const { program, path, bytes, version } of executables) {
      assert(bytes < MAX_BYTES, `${program} has ${bytes} bytes`);
      assertEquals(
        version,
        `${program} ${VERSION} (commit ${COMMIT}, Deno ${PAIR_VERSION})`,
      );
      assertEquals(path, `${root}/bin/${program}`);
    }
    const files = await Array.fromAsync(Deno.readDir(`${root}/bin`));
    assertEquals(files.map(({ name }) => name).sort(), [
      "broker",
      "controller",
      "router",
    ]);
  },
);

provesOfExecutables(
  "the same sources make the same bytes, which do not tell where they were made",
  async () => {
    const { root, executables } = built();
    const again = await build(root, "bin-again");
    const latin1 = new TextDecoder("latin1");
    for (const [at, { path }] of executables.entries()) {
      const bytes = await Deno.readFile(path);
      const others = await Deno.readFile(again[at]!.path);
      assert(equalBytes(bytes, others), `${path} differs`);
      const text = latin1.decode(bytes);
      for (const place of [`${PROJECT_DIR}/`, "/npm/registry."]) {
        assert(!text.includes(place), `${path} tells ${place}`);
      }
    }
  },
);

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

/**
 * The pinned Deno's own executables cannot be had everywhere: its scripts run
 * the same bundles with the same permissions.
 */
async function writeScripts(root: string): Promise<string> {
  const dir = `${root}/scripts`;
  await Deno.mkdir(dir);
  for (const program of ["router", "broker"] as const) {
    const recipe = RECIPES[program];
    const bundle = `${dir}/${program}.js`;
    await bundleProgram({
      projectDir: PROJECT_DIR,
      main: recipe.main,
      commit: COMMIT,
      out: bundle,
    });
    const flags = permissionFlags(
      recipe,
      directoriesIn(root),
      await variablesOf(program),
    );
    await Deno.writeTextFile(
      `${dir}/${program}`,
      `#!/bin/sh\nexec '${Deno.execPath()}' run --no-config --no-lock ` +
        `--no-npm --no-remote ${flags.join(" ")} '${bundle}' "$@"\n`,
      { mode: 0o755 },
    );
  }
  return dir;
}

for (
  const { what, programs } of [
    {
      what: "executables",
      programs: (root: string) => Promise.resolve(`${root}/bin`),
    },
    {
      what: "bundles that the pinned Deno runs with the same permissions",
      programs: writeScripts,
    },
  ]
) {
  provesOfExecutables(
    `a client lists and calls tools through Envoy, a unix socket and ${what}; nothing is written elsewhere`,
    async () => {
      const { root } = built();
      await using server = startRawServer({ name: "one" });
      await using gateway = await startExecutables({
        executables: await programs(root),
        root,
        servers: [{ name: "one", url: server.url, prefix: "one_" }],
      });
      for (const [program, ms] of Object.entries(gateway.readyMs)) {
        assert(ms < MAX_READY_MS, `${program} took ${ms} ms to be ready`);
        console.log(`${program} was ready after ${Math.round(ms)} ms`);
      }
      const client = await RawClient.connect(gateway.url);
      await eventually(async () => {
        assertEquals(await client.toolNames(), ["one_echo"]);
      });
      const { status, message } = await client.call("one_echo", { n: 1 });
      assertEquals(status, 200);
      assertStringIncludes(
        message?.result?.content?.[0]?.text ?? "",
        '"arguments":{"n":1}',
      );
      assertEquals((await client.delete()).status, 204);
      for (const url of Object.values(gateway.internalUrls)) {
        const metrics = await (await fetch(`${url}/metrics`)).text();
        assertStringIncludes(metrics, "process_resident_memory_bytes");
      }
      const log = [...gateway.router.log, ...gateway.broker.log];
      const refused = /NotCapable|Requires \w+ access/;
      assertEquals(log.filter((line) => refused.test(line)), []);
      // No package writes what TALKATIVE asks for.
      assertEquals(log.filter((line) => !line.startsWith("{")), []);
      const temporary = await Array.fromAsync(Deno.readDir(temporaryIn(root)));
      assertEquals(temporary.map(({ name }) => name), []);
    },
  );
}

const REFUSALS: readonly {
  readonly what: string;
  readonly program: ProgramName;
  readonly args: readonly string[];
  readonly says: string;
}[] = [
  {
    what: "a router to read its configuration elsewhere",
    program: "router",
    args: ["--config=/etc/hosts"],
    says: "Use a file in the directory that this program was built for",
  },
  {
    what: "a broker to read its configuration elsewhere",
    program: "broker",
    args: ["--config=/etc/hosts"],
    says: "Use a file in the directory that this program was built for",
  },
  {
    what: "a router to keep its state elsewhere",
    program: "router",
    args: ["--state-dir=/tmp"],
    says: 'Requires read access to \\"/tmp/signing.key\\"',
  },
  {
    what: "a broker to read a key elsewhere",
    program: "broker",
    args: ["--signing-key-file=/etc/hostname"],
    says: 'Requires read access to \\"/etc/hostname\\"',
  },
  {
    what: "a router to listen on a socket elsewhere",
    program: "router",
    args: ["--listen=unix:/tmp/gateway-elsewhere.sock"],
    says: 'access to \\"/tmp/gateway-elsewhere.sock\\"',
  },
];

for (const { what, program, args, says } of REFUSALS) {
  provesOfExecutables(`an executable does not allow ${what}`, async () => {
    const { root } = built();
    const { config, secrets, state } = directoriesIn(root);
    for (const dir of [config, secrets, state]) {
      await Deno.mkdir(dir, { recursive: true });
    }
    await Deno.writeTextFile(`${config}/config.yaml`, "servers: []\n");
    const given = new Set(args.map((arg) => arg.split("=")[0]));
    const defaults = [
      `--config=${config}/config.yaml`,
      `--secrets-dir=${secrets}`,
      `--state-dir=${state}`,
      "--internal-listen=127.0.0.1:0",
      "--listen=127.0.0.1:0",
    ].filter((arg) => !given.has(arg.split("=")[0]));
    const signal = AbortSignal.timeout(20_000);
    const child = new Deno.Command(`${root}/bin/${program}`, {
      args: [...defaults, ...args],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      signal,
    }).spawn();
    let said = "";
    const read = async (stream: ReadableStream<Uint8Array<ArrayBuffer>>) => {
      for await (const text of stream.pipeThrough(new TextDecoderStream())) {
        said += text;
        // One that goes on without what it was refused has said enough.
        if (said.includes(says)) stop();
      }
    };
    let stopped = false;
    const stop = () => {
      if (stopped) return;
      stopped = true;
      try {
        child.kill("SIGTERM");
      } catch (error) {
        if (!(error instanceof TypeError)) throw error; // it has ended
      }
    };
    await Promise.all([read(child.stdout), read(child.stderr), child.status]);
    assertStringIncludes(said, says);
  });
}
