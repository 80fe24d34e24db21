/**
 * That `deno audit` is understood, with a registry that says this and that; and
 * what the real one says of our dependencies, where it can be asked.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { audit } from "../support/audit.ts";

/** What the registry says of one version of one package. */
const advisory = (severity: string) => ({
  yaml: [{
    id: 1,
    url: "https://example.org/advisories/1",
    title: "Something bad",
    severity,
    vulnerable_versions: "<100.0.0",
    cwe: [],
    cvss: { score: 7, vectorString: null },
  }],
});

for (
  const { says, answer, want } of [
    { says: "nothing", answer: () => Response.json({}), want: "clean" },
    {
      says: "that one has a vulnerability",
      answer: () => Response.json(advisory("high")),
      want: "vulnerable",
    },
    {
      says: "that one has a vulnerability of no weight",
      answer: () => Response.json(advisory("low")),
      want: "clean",
    },
    {
      says: "that it tells nobody",
      answer: () => new Response("no", { status: 405 }),
      want: "unknown",
    },
  ]
) {
  Deno.test(`audit() is ${want} where the registry says ${says}`, async () => {
    const server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      async (request) => {
        await request.text();
        return answer();
      },
    );
    try {
      const { kind } = await audit({
        NPM_CONFIG_REGISTRY: `http://127.0.0.1:${server.addr.port}/`,
      });
      assertEquals(kind, want);
    } finally {
      await server.shutdown();
    }
  });
}

const outcome = await audit();
if (outcome.kind === "unknown") {
  console.error(`Dependencies were not audited: ${outcome.reason}`);
}
Deno.test({
  name: outcome.kind === "unknown"
    ? "no dependency has a known vulnerability: the registry could not be asked"
    : "no dependency has a known vulnerability of moderate severity or more",
  ignore: outcome.kind === "unknown",
  fn: () => assertEquals(outcome, { kind: "clean" }),
});
