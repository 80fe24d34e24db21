import { assertEquals, assertThrows } from "@std/assert";
import { parseConfig } from "../../shared/config/parse.ts";
import { processorRules, serverEntries, serverOf } from "./servers.ts";

const text = JSON.stringify({ servers: serverEntries("127.0.0.1:9") });
const parsed = parseConfig(text, { file: "config.json" });
if (!parsed.ok) throw new Error(text);
const { config } = parsed;

for (const era of ["session", "stateless"] as const) {
  for (const naming of ["prefixed", "plain"] as const) {
    Deno.test(`one rule of the processor takes ${naming} names of the ${era} era to their server`, () => {
      const { server, names } = serverOf(config, era, naming);
      assertEquals(server.era, era);
      const body = `{"name":"${server.prefix}${names}echo"}`;
      const rules = processorRules(config) as readonly {
        readonly match: string;
        readonly replace?: string;
        readonly headers: Readonly<Record<string, string>>;
      }[];
      const matching = rules.filter(({ match }) => body.includes(match));
      assertEquals(matching.length, 1);
      const [{ match, replace = match, headers }] = matching as [
        typeof matching[number],
      ];
      assertEquals(body.replace(match, replace), `{"name":"${names}echo"}`);
      assertEquals(headers, {
        ":authority": server.hostname,
        ":path": `/mcp?names=${names}`,
        "x-destination-mcp": server.name,
        "x-mcp-upstream": server.fingerprint,
      });
    });
  }
}

Deno.test("serverOf() of a configuration without it is an error", () => {
  assertThrows(
    () => serverOf({ ...config, servers: [] }, "session", "plain"),
    Error,
    "plain-session",
  );
});
