/**
 * What an executable was not built for is refused, with an error that says what
 * to do.
 *
 * @module
 */

import { assertStringIncludes } from "@std/assert";
import type { ProgramName } from "../../shared/local/programs.ts";
import { built, provesOfExecutables } from "./_built.ts";
import { directoriesIn } from "./_gateway.ts";

const DEADLINE_MS = 60_000;
const made = built({
  programs: ["router", "broker"],
  variables: ["DECLARED"],
});

const USE_DIRECTORIES = "(use a path in its directories, as `--help` shows " +
  "them, or build it with others: `deno task build --help`)";

const serverWith = (credential: string) =>
  `servers: [{name: a, url: "http://127.0.0.1:1/mcp", ` +
  `credential: ${credential}}]`;

const CASES: readonly {
  readonly what: string;
  readonly program: ProgramName;
  /** Arguments besides the usual ones, or instead. */
  readonly args?: readonly string[];
  readonly config?: string;
  readonly says: readonly string[];
}[] = [
  {
    what: "does not allow a router to read its configuration elsewhere",
    program: "router",
    args: ["--config=/etc/hosts"],
    says: ["Use a file in the directory that this program was built for"],
  },
  {
    what: "does not allow a broker to read its configuration elsewhere",
    program: "broker",
    args: ["--config=/etc/hosts"],
    says: ["Use a file in the directory that this program was built for"],
  },
  {
    what: "does not allow a router to keep its state elsewhere",
    program: "router",
    args: ["--state-dir=/tmp"],
    says: ['Requires read access to \\"/tmp/signing.key\\"', USE_DIRECTORIES],
  },
  {
    what: "does not allow a broker to read a key elsewhere",
    program: "broker",
    args: ["--signing-key-file=/etc/hostname"],
    says: ['Requires read access to \\"/etc/hostname\\"', USE_DIRECTORIES],
  },
  {
    what: "does not allow a router to read its store's address elsewhere",
    program: "router",
    args: ["--store=redis", "--store-url-file=/etc/hostname"],
    says: ['Requires read access to \\"/etc/hostname\\"', USE_DIRECTORIES],
  },
  {
    what: "does not allow a router to listen on a socket elsewhere",
    program: "router",
    args: ["--listen=unix:/tmp/gateway-elsewhere.sock"],
    says: ['access to \\"/tmp/gateway-elsewhere.sock\\"', USE_DIRECTORIES],
  },
  {
    what: "does not allow a broker to read a secret elsewhere",
    program: "broker",
    args: ["--secrets-dir=/etc"],
    config: serverWith("{file: hostname}"),
    says: ["cannot be read from /etc (NotCapable)"],
  },
  {
    what:
      "does not allow a broker to read a variable that it was not built for",
    program: "broker",
    config: serverWith("{env: OTHER}"),
    says: [
      'Requires env access to \\"OTHER\\"',
      "(build it with --variables OTHER, or give the value as a file)",
    ],
  },
  {
    what: "allows a broker to read a variable that it was built for",
    program: "broker",
    config: serverWith("{env: DECLARED}"),
    // The server that is asked then is not there.
    says: ["Connection refused"],
  },
  {
    what: "has a client of Redis in it",
    program: "router",
    args: ["--store=redis", "--store-url=redis://127.0.0.1:1"],
    says: ["session store away", "connect ECONNREFUSED 127.0.0.1:1"],
  },
];

for (const { what, program, args = [], config, says } of CASES) {
  provesOfExecutables(`an executable ${what}`, async () => {
    const { root, bin } = made();
    const directories = directoriesIn(root);
    for (const name of ["config", "secrets", "state"] as const) {
      await Deno.mkdir(directories[name], { recursive: true });
    }
    const file = `${directories.config}/config.yaml`;
    await Deno.writeTextFile(file, `${config ?? "servers: []"}\n`);
    const given = new Set(args.map((arg) => arg.split("=")[0]));
    const defaults = [
      `--config=${file}`,
      `--secrets-dir=${directories.secrets}`,
      `--state-dir=${directories.state}`,
      "--internal-listen=127.0.0.1:0",
      "--listen=127.0.0.1:0",
    ].filter((arg) => !given.has(arg.split("=")[0]));
    const said = await listenFor(
      `${bin}/${program}`,
      [...defaults, ...args],
      says,
    );
    for (const text of says) assertStringIncludes(said, text);
  });
}

/** Runs a program until it ends, or has said all of these. */
async function listenFor(
  command: string,
  args: readonly string[],
  texts: readonly string[],
): Promise<string> {
  const child = new Deno.Command(command, {
    args: [...args],
    env: { DECLARED: "Bearer a", OTHER: "Bearer b" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(DEADLINE_MS),
  }).spawn();
  let said = "";
  let stopped = false;
  const read = async (stream: ReadableStream<Uint8Array<ArrayBuffer>>) => {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      said += text;
      // One that goes on without what it was refused has said enough.
      if (stopped || !texts.every((one) => said.includes(one))) continue;
      stopped = true;
      try {
        child.kill("SIGTERM");
      } catch (error) {
        if (!(error instanceof TypeError)) throw error; // it has ended
      }
    }
  };
  await Promise.all([read(child.stdout), read(child.stderr), child.status]);
  return said;
}
