/**
 * `deno task build` with the pair from PyPI: what it makes, and that this is a
 * gateway.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { variablesOf } from "../../shared/local/build/build.ts";
import { bundleProgram } from "../../shared/local/build/bundle.ts";
import {
  getDenoPair,
  PAIR_VERSION,
} from "../../shared/local/build/deno_pair.ts";
import { packagesOf } from "../../shared/local/build/module_names.ts";
import {
  type ExecutableName,
  permissionFlags,
  RECIPES,
  SYSTEM_DIRECTORIES,
} from "../../shared/local/build/permissions.ts";
import { VERSION } from "../../shared/version.ts";
import { startRawServer } from "../fixtures/raw_server.ts";
import { PROJECT_DIR } from "../support/paths.ts";
import { RawClient } from "../support/raw_client.ts";
import { eventually } from "../support/wait.ts";
import { built, COMMIT, provesOfExecutables } from "./_built.ts";
import {
  directoriesIn,
  launchFrom,
  startExecutables,
  temporaryIn,
} from "./_gateway.ts";
import { CACHE_DIR } from "./_pair.ts";

const MAX_BYTES = 110e6;
/** Bytes for permissions, names and sizes of files, and offsets. */
const MAX_DESCRIPTION_BYTES = 16e3;
/** What `deno task build` reads. */
const SOURCES = [
  ...["deno.json", "deno.lock"],
  ...["router", "broker", "controller", "shared", "proto"],
];

const made = built({
  directories: (root) => ({
    ...directoriesIn(root),
    // Nobody can choose another.
    serviceAccount: SYSTEM_DIRECTORIES.serviceAccount,
  }),
});

provesOfExecutables(
  "each executable is one file below 110 MB that tells its version, commit and Deno",
  async () => {
    const { bin, executables } = made();
    for (const { program, path, bytes, version } of executables) {
      assert(bytes < MAX_BYTES, `${program} has ${bytes} bytes`);
      assertEquals(
        version,
        `${program} ${VERSION} (commit ${COMMIT}, Deno ${PAIR_VERSION})`,
      );
      assertEquals(path, `${bin}/${program}`);
    }
    const files = await Array.fromAsync(Deno.readDir(bin));
    assertEquals(files.map(({ name }) => name).sort(), [
      "broker",
      "controller",
      "router",
    ]);
  },
);

/** Packages that each program reaches, and so may have in it. */
const PACKAGES: Readonly<Record<ExecutableName, readonly string[]>> = {
  router: [
    "@bufbuild/protobuf",
    "@grpc/grpc-js",
    "@grpc/proto-loader",
    "@js-sdsl/ordered-map",
    "@protobufjs/aspromise",
    "@protobufjs/base64",
    "@protobufjs/codegen",
    "@protobufjs/eventemitter",
    "@protobufjs/fetch",
    "@protobufjs/float",
    "@protobufjs/path",
    "@protobufjs/pool",
    "@protobufjs/utf8",
    "@redis/client",
    "lodash.camelcase",
    "long",
    "protobufjs",
    "yaml",
  ],
  broker: ["@redis/client", "yaml"],
  controller: ["yaml"],
};

provesOfExecutables(
  "an executable is a runtime, a bundle of what the program reaches, and a description of it; no tree of packages",
  async () => {
    const { root, executables } = made();
    const { denort } = await getDenoPair({
      cacheDir: CACHE_DIR,
      progress: () => {},
    });
    const { size: runtime } = await Deno.stat(denort);
    for (const { program, path, bytes, packages } of executables) {
      const dir = `${root}/${program}-bundle`;
      const { main, external } = RECIPES[program];
      await bundleProgram({
        projectDir: PROJECT_DIR,
        main,
        commit: COMMIT,
        ...(external ? { external } : {}),
        outDir: dir,
      });
      const executable = await Deno.readFile(path);
      let bundled = 0;
      for await (const { name } of Deno.readDir(dir)) {
        const file = await Deno.readFile(`${dir}/${name}`);
        bundled += file.length;
        assert(holds(executable, file), `${program} does not hold ${name}`);
      }
      const rest = bytes - runtime - bundled;
      assert(
        rest > 0 && rest < MAX_DESCRIPTION_BYTES,
        `${program} holds ${rest} bytes besides`,
      );
      assertEquals(packages.map(({ name }) => name), PACKAGES[program]);
    }
  },
);

/** Packages that only some starts need, and others do not even read. */
const READ_LATER: readonly string[] = ["@redis/client", "@grpc/grpc-js"];

provesOfExecutables(
  "a program's first file has nothing of packages that only some configurations need",
  async () => {
    const { root } = made();
    for (const program of ["router", "broker"] as const) {
      const { main } = await bundleProgram({
        projectDir: PROJECT_DIR,
        main: RECIPES[program].main,
        commit: COMMIT,
        outDir: `${root}/${program}-bundle`,
      });
      const first = packagesOf([await Deno.readTextFile(main)]);
      assertEquals(
        first.map(({ name }) => name).filter((name) =>
          READ_LATER.includes(name)
        ),
        [],
        program,
      );
    }
  },
);

function holds(whole: Uint8Array, part: Uint8Array): boolean {
  return Buffer.from(whole.buffer).includes(Buffer.from(part.buffer));
}

provesOfExecutables(
  "the same sources make the same bytes in another folder, which do not tell where they were made",
  async () => {
    const { root, executables } = made();
    const copy = `${root}/at/another/depth/sources`;
    await Deno.mkdir(copy, { recursive: true });
    for (const name of SOURCES) {
      await copyAll(`${PROJECT_DIR}/${name}`, `${copy}/${name}`);
    }
    const directories = directoriesIn(root);
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "-A", `${copy}/shared/local/build/main.ts`, "--pair"],
        ...["--out", `${root}/bin-of-copy`, "--commit", COMMIT],
        ...["--config-dir", directories.config],
        ...["--secrets-dir", directories.secrets],
        ...["--state-dir", directories.state],
        ...["--socket-dir", directories.sockets],
      ],
      cwd: copy,
      stdout: "null",
    }).output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
    const latin1 = new TextDecoder("latin1");
    for (const { program, path } of executables) {
      const bytes = await Deno.readFile(path);
      const others = await Deno.readFile(`${root}/bin-of-copy/${program}`);
      assert(equalBytes(bytes, others), `${path} differs`);
      const text = latin1.decode(bytes);
      for (const place of [`${PROJECT_DIR}/`, "/npm/registry."]) {
        assert(!text.includes(place), `${path} tells ${place}`);
      }
    }
  },
);

async function copyAll(from: string, to: string): Promise<void> {
  const { isDirectory } = await Deno.stat(from);
  if (!isDirectory) return await Deno.copyFile(from, to);
  await Deno.mkdir(to, { recursive: true });
  for await (const { name } of Deno.readDir(from)) {
    await copyAll(`${from}/${name}`, `${to}/${name}`);
  }
}

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
    const { main: bundle } = await bundleProgram({
      projectDir: PROJECT_DIR,
      main: recipe.main,
      commit: COMMIT,
      outDir: `${dir}/${program}-bundle`,
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
      const { root } = made();
      await using server = startRawServer({ name: "one" });
      await using gateway = await startExecutables({
        launch: launchFrom(await programs(root)),
        root,
        servers: [{ name: "one", url: server.url, prefix: "one_" }],
      });
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
