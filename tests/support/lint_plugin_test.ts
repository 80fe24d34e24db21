import { assertEquals } from "@std/assert";
import plugin from "./lint_plugin.ts";

interface Case {
  readonly rule: string;
  readonly file: string;
  readonly source: string;
  /** Number of findings of that rule. */
  readonly found: number;
}

const imports = (
  file: string,
  specifier: string,
  found: number,
): Case => ({
  rule: "one-way-imports",
  file,
  source: `import { x } from ${JSON.stringify(specifier)};`,
  found,
});
const pure = (
  source: string,
  found: number,
  file = "router/decide.ts",
): Case => ({
  rule: "pure-core",
  file,
  source: `/**\n * Decides. Pure.\n *\n * @module\n */\n${source}`,
  found,
});
const env = (file: string, source: string, found: number): Case => ({
  rule: "no-env",
  file,
  source,
  found,
});

const cases: readonly Case[] = [
  // shared/ knows no program.
  imports("shared/log.ts", "./names.ts", 0),
  imports("shared/config/parse.ts", "../names.ts", 0),
  imports("shared/log.ts", "@std/assert", 0),
  imports("shared/log.ts", "node:crypto", 0),
  imports("shared/log.ts", "../router/exchange.ts", 1),
  imports("shared/sessions/sqlite.ts", "../../broker/handler.ts", 1),
  imports("shared/log.ts", "../controller/plan.ts", 1),
  imports("shared/log.ts", "../tests/support/x.ts", 1),
  imports("shared/log.ts", "./local/envoy.ts", 1),
  imports("shared/local/dev.ts", "./envoy.ts", 0),
  imports("shared/local/dev.ts", "../log.ts", 0),
  imports("shared/local/dev.ts", "../../router/server.ts", 1),
  imports("shared/localhost.ts", "./log.ts", 0),
  // A program knows shared/ and itself.
  imports("router/exchange.ts", "../shared/log.ts", 0),
  imports("router/exchange.ts", "./decide.ts", 0),
  imports("router/exchange.ts", "../broker/handler.ts", 1),
  imports("broker/catalog/merge.ts", "../../router/decide.ts", 1),
  imports("controller/plan.ts", "../broker/handler.ts", 1),
  imports("router/exchange.ts", "../tests/support/x.ts", 1),
  imports("router/exchange.ts", "../shared/local/dev.ts", 1),
  imports("router/exchange.ts", "./../shared/../broker/x.ts", 1),
  // Nobody imports a main.ts.
  imports("router/x.ts", "./main.ts", 1),
  imports("tests/data_plane/x_test.ts", "../../router/main.ts", 1),
  imports("router/x.ts", "./domain.ts", 0),
  // proto/ stands alone; what is generated has one reader.
  imports("proto/gen.ts", "./gen/x_pb.ts", 0),
  imports("proto/gen.ts", "../shared/log.ts", 1),
  imports("router/wire/read_any_phase.ts", "../../proto/gen/x_pb.ts", 0),
  imports("router/server.ts", "../proto/gen/x_pb.ts", 1),
  imports("router/wire/read_phase_test.ts", "../../proto/gen/x_pb.ts", 0),
  imports("router/exchange.ts", "../proto/gen/x_pb.ts", 1),
  // Packages with one reader.
  imports("router/grpc_js_transport.ts", "@grpc/grpc-js", 0),
  imports("tests/data_plane/x_test.ts", "@grpc/grpc-js", 0),
  imports("router/exchange.ts", "@grpc/grpc-js", 1),
  imports("router/exchange.ts", "npm:@grpc/grpc-js@1.14.7", 1),
  imports("router/exchange.ts", "@grpc/grpc-js/build/src/server.js", 1),
  imports("router/exchange.ts", "@grpc/grpc-js-extra", 0),
  imports("controller/kube/kubeconfig.ts", "@kubernetes/client-node", 0),
  imports("controller/kube/apply.ts", "@kubernetes/client-node", 1),
  imports("controller/plan.ts", "@kubernetes/client-node", 1),
  // Tests beside code reach tests/support/, but no other program.
  imports("router/exchange_test.ts", "../tests/support/x.ts", 0),
  imports("router/exchange_bench.ts", "../tests/support/x.ts", 0),
  imports("router/exchange_test.ts", "../tests/data_plane/x.ts", 1),
  imports("router/exchange_test.ts", "../broker/handler.ts", 1),
  imports("proto/gen_test.ts", "../deno.json", 0),
  imports("router/exchange.ts", "../deno.json", 1),
  imports("tests/data_plane/x_test.ts", "../../router/decide.ts", 0),
  imports("tests/data_plane/x_test.ts", "../../shared/local/dev.ts", 0),
  // Each way to import counts.
  ...[
    'export * from "../broker/x.ts";',
    'export { x } from "../broker/x.ts";',
    'import type { X } from "../broker/x.ts";',
    'import "../broker/x.ts";',
    'await import("../broker/x.ts");',
    'type X = import("../broker/x.ts").X;',
  ].map((source): Case => ({
    rule: "one-way-imports",
    file: "router/x.ts",
    source,
    found: 1,
  })),

  // A file that says it is pure.
  pure("Deno.readTextFileSync(x);", 1),
  pure("globalThis.Deno.env.get(x);", 1),
  pure("const { env } = Deno;", 1),
  pure("await fetch(url);", 1),
  pure("setTimeout(f, 1);", 1),
  pure("setInterval(f, 1);", 1),
  pure("Date.now();", 1),
  pure("const clock = now ?? Date.now;", 1),
  pure("new Date();", 1),
  pure("Math.random();", 1),
  pure("crypto.getRandomValues(x); crypto.randomUUID();", 2),
  pure('Math["random"]();', 1),
  pure('import { readFileSync } from "node:fs";', 1),
  pure('import { connect } from "node:net";', 1),
  pure('import { DatabaseSync } from "node:sqlite";', 1),
  pure('import { readFile } from "node:fs/promises";', 1),
  pure('import { Server } from "@grpc/grpc-js";', 1),
  pure("new Date(x); Math.max(1, 2); now(); options.fetch(x);", 0),
  pure('import { isIP, isIPv6 } from "node:net";', 0),
  pure('import { isIP, connect } from "node:net";', 1),
  pure('import type { Socket } from "node:net";', 0),
  pure('import { createHash } from "node:crypto";', 0),
  pure('import { Buffer } from "node:buffer";', 0),
  pure("Date.now();", 0, "router/decide_test.ts"),
  {
    rule: "pure-core",
    file: "router/edge.ts",
    source: "/** Impure. Purely an edge. */\nDate.now();\n/** Pure. */",
    found: 0,
  },
  {
    rule: "pure-core",
    file: "router/decide.ts",
    source: "/** Decides. Pure. Fast. */\nDate.now();",
    found: 1,
  },

  // Options and environment.
  env("router/exchange.ts", 'Deno.env.get("X");', 1),
  env("router/exchange.ts", "Deno.args;", 1),
  env("router/exchange.ts", 'Deno["env"];', 1),
  env("router/exchange.ts", "globalThis.Deno.env;", 1),
  env("router/exchange.ts", "process.env.X;", 1),
  env("router/exchange.ts", "const { args } = Deno;", 1),
  env("router/exchange.ts", "Deno.execPath(); x.env; message.args;", 0),
  env("router/options.ts", "Deno.env;", 0),
  env("router/common_options.ts", "Deno.env;", 1),
  env("router/main.ts", "Deno.args;", 0),
  env("shared/local/dev.ts", "Deno.env;", 0),
  env("shared/config/parse.ts", "Deno.env;", 1),
  env("proto/gen.ts", "Deno.args;", 0),
  env("tests/support/x.ts", "Deno.env;", 0),
  env("router/exchange_test.ts", "Deno.env;", 0),
];

const root = new URL("../../", import.meta.url).pathname;

for (const { rule, file, source, found } of cases) {
  const what = source.split("\n").at(-1);
  Deno.test(`${rule} ${found > 0 ? "refuses" : "allows"} ${what} in ${file}`, () => {
    // The linter names files by absolute path.
    const diagnostics = Deno.lint.runPlugin(plugin, `${root}${file}`, source)
      .filter(({ id }) => id === `mcp-gateway/${rule}`);
    assertEquals(diagnostics.length, found, JSON.stringify(diagnostics));
  });
}

Deno.test("one-way-imports names both files and what to do", () => {
  const [diagnostic] = Deno.lint.runPlugin(
    plugin,
    `${root}router/x.ts`,
    'import { y } from "../broker/y.ts";',
  );
  assertEquals(diagnostic?.message, "router/x.ts imports broker/y.ts");
  assertEquals(
    diagnostic?.hint,
    "A program never imports another: move what both need to shared/",
  );
});
