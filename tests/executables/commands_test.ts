/**
 * The command line of the executables, with the permissions that they have.
 *
 * @module
 */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { built, provesOfExecutables } from "./_built.ts";
import { directoriesIn } from "./_gateway.ts";

const DEADLINE_MS = 60_000;
const made = built();

const GOOD = 'servers: [{name: a, url: "http://127.0.0.1:1/mcp"}]\n';
const BAD = "servers:\n- name: a\n  ulr: x\n";

const CASES: readonly {
  readonly name: string;
  /** Program and arguments; ROOT stands for the directories' root. */
  readonly types: readonly string[];
  readonly stdin?: string;
  readonly code: number;
  readonly says: readonly string[];
}[] = [
  {
    name: "check says that a configuration can be used",
    types: ["router", "check", "ROOT/etc/good.yaml"],
    code: 0,
    says: ["ROOT/etc/good.yaml can be used: 1 server"],
  },
  {
    name: "check says every problem with its place",
    types: ["broker", "check", "ROOT/etc/bad.yaml"],
    code: 1,
    says: [
      "ROOT/etc/bad.yaml:2:3: error: Cannot use servers[0]: url is missing",
      "ROOT/etc/bad.yaml:3:3: error: Cannot use servers[0].ulr",
      "ROOT/etc/bad.yaml cannot be used: 2 errors",
    ],
  },
  {
    name: "check takes the configuration of the environment",
    types: ["router", "check"],
    code: 0,
    says: ["ROOT/etc/good.yaml can be used"],
  },
  {
    name: "check reads standard input",
    types: ["router", "check", "-"],
    stdin: BAD,
    code: 1,
    says: ["standard input:2:3: error"],
  },
  {
    name: "check says that a file is out of its reach, and another way",
    types: ["router", "check", "/etc/hosts"],
    code: 1,
    says: [
      "Cannot read /etc/hosts: it is outside of the directory that this program may read",
      "or give it on standard input, as the file -",
    ],
  },
  {
    name: "a controller says who has check",
    types: ["controller", "check", "x"],
    code: 2,
    says: ['Unknown command "check"', "use that of router or broker"],
  },
  {
    name: "an unknown command names the nearest",
    types: ["broker", "chek"],
    code: 2,
    says: ['Unknown command "chek": did you mean check?', "See broker --help"],
  },
  {
    name: "an unknown option names the nearest",
    types: ["controller", "--internal-lisen=x"],
    code: 2,
    says: ["Unknown option --internal-lisen: did you mean --internal-listen?"],
  },
  ...(["router", "broker", "controller"].map((program) => ({
    name: `${program} ready says that none is running`,
    types: [program, "ready", "--internal-listen=unix:ROOT/run/none.sock"],
    code: 1,
    says: ["Cannot ask unix:ROOT/run/none.sock whether it is ready"],
  }))),
  {
    name: "help lists commands and options with their variables",
    types: ["router", "--help"],
    code: 0,
    says: [
      "router check [FILE]",
      "router envoy-config",
      "router ready",
      "[env: GATEWAY_INTERNAL_LISTEN]",
    ],
  },
  {
    name: "envoy-config writes one file, by options from the environment",
    types: ["router", "envoy-config", "--out=-"],
    code: 0,
    says: ['"path":"ROOT/run/of-the-environment.sock"', '"clusters":['],
  },
  {
    name: "envoy-config writes into the directory of sockets",
    types: [
      "router",
      ...["envoy-config", "--out=ROOT/run/envoy", "--admin=127.0.0.1:1"],
      "--publish=ROOT/run/published.yaml",
    ],
    code: 0,
    says: ["ROOT/run/envoy: configuration", "Envoy is not running"],
  },
  {
    name: "envoy-config says that a directory is out of its reach",
    types: ["router", "envoy-config", "--out=/tmp/elsewhere"],
    code: 1,
    says: [
      "Cannot write /tmp/elsewhere: outside of the directories that this program may write",
      "Remedy: name places in the directory of sockets",
    ],
  },
  {
    name: "envoy-config says every problem of a configuration",
    types: ["router", "envoy-config", "--config=ROOT/etc/bad.yaml"],
    code: 1,
    says: ["ROOT/etc/bad.yaml:2:3: error", "ROOT/etc/bad.yaml:3:3: error"],
  },
];

for (const { name, types, stdin = "", code, says } of CASES) {
  provesOfExecutables(`an executable's ${name}`, async () => {
    const { root, bin } = made();
    const { config, sockets } = directoriesIn(root);
    for (const dir of [config, sockets]) {
      await Deno.mkdir(dir, { recursive: true });
    }
    await Deno.writeTextFile(`${config}/good.yaml`, GOOD);
    await Deno.writeTextFile(`${config}/bad.yaml`, BAD);
    const here = (text: string) => text.replaceAll("ROOT", root);
    const [program, ...args] = types.map(here);
    const child = new Deno.Command(`${bin}/${program}`, {
      args,
      clearEnv: true,
      env: {
        GATEWAY_CONFIG: `${config}/good.yaml`,
        GATEWAY_ENVOY_ROUTERS: `unix:${sockets}/of-the-environment.sock`,
      },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      signal: AbortSignal.timeout(DEADLINE_MS),
    }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(stdin));
    // One that does not read may have ended.
    await writer.close().catch(() => {});
    const { code: ended, stdout, stderr } = await child.output();
    const said = [stdout, stderr].map((bytes) =>
      new TextDecoder().decode(bytes)
    ).join("");
    for (const text of says) assertStringIncludes(said, here(text));
    assertEquals(ended, code, said);
  });
}
