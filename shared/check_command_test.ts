import { assertEquals } from "@std/assert";
import { CHECK_COMMAND, checkConfig } from "./check_command.ts";

function io(text: string | Error) {
  const read = () =>
    text instanceof Error ? Promise.reject(text) : Promise.resolve(text);
  return { readTextFile: read, readStdin: read };
}

const GOOD = "servers: [{name: a, url: 'http://127.0.0.1:1/mcp'}]\n";

const cases: readonly {
  readonly name: string;
  readonly file?: string;
  readonly text: string | Error;
  readonly ok: boolean;
  readonly lines: readonly string[];
}[] = [
  {
    name: "counts what a good one has",
    text: GOOD + "virtualServers: [{name: v, tools: [t]}]\n",
    ok: true,
    lines: ["f.yaml can be used: 1 server, 1 virtual server"],
  },
  {
    name: "names standard input",
    file: "-",
    text: "servers: []",
    ok: true,
    lines: ["standard input can be used: 0 servers, 0 virtual servers"],
  },
  {
    name: "shows warnings and lets them pass",
    text: '{"mcpServers": {"a": {"command": "npx"}}}',
    ok: true,
    lines: [
      "f.yaml:1:23: warning: Skipped mcpServers.a: it is started as a command (stdio), and the gateway starts none. Remedy: Run the server with its streamable HTTP transport and give its url",
      "f.yaml can be used: 0 servers, 0 virtual servers, 1 warning",
    ],
  },
  {
    name: "shows every problem with its place",
    text: "servers:\n- name: a\n  ulr: x\n",
    ok: false,
    lines: [
      "f.yaml:2:3: error: Cannot use servers[0]: url is missing. Remedy: Add where the server listens, such as url: http://127.0.0.1:9001/mcp",
      "f.yaml:3:3: error: Cannot use servers[0].ulr: there is no such key. Remedy: Write url",
      "f.yaml cannot be used: 2 errors",
    ],
  },
  {
    name: "says that there is no file",
    text: new Deno.errors.NotFound("no"),
    ok: false,
    lines: [
      "Cannot read f.yaml: there is no such file. Remedy: name the file that you mean",
    ],
  },
  {
    name: "says what an executable may not read, and another way",
    text: new Deno.errors.NotCapable("no"),
    ok: false,
    lines: [
      "Cannot read f.yaml: it is outside of the directory that this program may read. Remedy: move it into the directory that the program was built for (/etc/mcp-gateway unless told otherwise), or give it on standard input, as the file -",
    ],
  },
  {
    name: "leaves what is in a cluster to others",
    file: "kube:team/gateway",
    text: GOOD,
    ok: false,
    lines: [
      "Cannot read kube:team/gateway: it is in a cluster, and files are read here. Remedy: name a file, or give the ConfigMap's config.yaml on standard input, as the file -",
    ],
  },
];

for (const { name, file = "f.yaml", text, ok, lines } of cases) {
  Deno.test(`checkConfig() ${name}`, async () => {
    assertEquals(await checkConfig(file, io(text)), { ok, lines: [...lines] });
  });
}

for (
  const { name, files, code } of [
    { name: "0 for a good file", files: ["good.yaml"], code: 0 },
    { name: "0 for the file of --config", files: ["--config", "good.yaml"] },
    { name: "1 for a bad one", files: ["bad.yaml"], code: 1 },
    { name: "1 for none", files: ["none.yaml"], code: 1 },
    { name: "2 for two", files: ["good.yaml", "bad.yaml"], code: 2 },
    { name: "2 for an unknown option", files: ["--nope"], code: 2 },
  ]
) {
  Deno.test(`check ends with ${name}`, async () => {
    const dir = await Deno.makeTempDir();
    try {
      await Deno.writeTextFile(`${dir}/good.yaml`, GOOD);
      await Deno.writeTextFile(`${dir}/bad.yaml`, "servers: {}\n");
      const args = files.map((file) =>
        file.endsWith(".yaml") ? `${dir}/${file}` : file
      );
      assertEquals(
        await CHECK_COMMAND.run(args, new Map(), "router check"),
        code ?? 0,
      );
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  });
}
