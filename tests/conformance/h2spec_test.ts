/**
 * The router's own HTTP/2 server, asked by h2spec whether it speaks the
 * protocol: 145 questions, most of them about what a peer must not do.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import type { AcceptCall } from "../../router/grpc_call.ts";
import { listenH2 } from "../../router/h2/listen.ts";
import { SILENT } from "../../shared/_testing.ts";
import {
  build,
  type GoModule,
  kept,
  requiredVersions,
  type ToolOptions,
} from "../control_plane/_go_tools.ts";
import { available } from "../control_plane/_kube_tools.ts";

const MODULE: GoModule = {
  dir: new URL("h2spec", import.meta.url).pathname,
  what: "h2spec",
};

/** Path of h2spec; built where it is not in the cache. */
async function findH2spec(options: ToolOptions): Promise<string> {
  const path = "github.com/summerwind/h2spec";
  const { version } = await requiredVersions(MODULE, { version: path });
  const dir = await kept(
    `h2spec-${version}`,
    options,
    (dir) => build(MODULE, dir, [`${path}/cmd/h2spec`], options),
  );
  return `${dir}/h2spec`;
}

const found = await available(findH2spec);
if (found.kind === "missing") console.error(`Left out: ${found.reason}`);

/** Answers every message with itself. */
const echo: AcceptCall = (call) => ({
  message: (bytes) => Promise.resolve(call.write(bytes)),
  end: () => call.end(),
  cancelled: () => {},
});

Deno.test({
  name: "h2spec finds no fault in the router's HTTP/2",
  ignore: found.kind === "missing",
  fn: async () => {
    assert(found.kind === "there");
    const defects: unknown[] = [];
    const listener = listenH2(
      { kind: "tcp", host: "127.0.0.1", port: 0 },
      new Map([["/s/Echo", echo]]),
      { ...SILENT, error: (_, fields) => defects.push(fields) },
    );
    const { address } = listener;
    assert(address.kind === "tcp");
    const { stdout } = await new Deno.Command(found.tools, {
      // Seconds that an answer may take: on a busy machine, more than its two.
      args: ["-h", "127.0.0.1", "-p", String(address.port), "-o", "20"],
      stdin: "null",
    }).output();
    const said = new TextDecoder().decode(stdout);
    listener.close();
    await listener.end();
    assertEquals(defects, []);
    assertMatch(said, /145 tests, 145 passed, 0 skipped, 0 failed/);
  },
});
