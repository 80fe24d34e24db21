/**
 * What clients are promised of every Gateway's data plane, whoever programs it.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { RawClient } from "../support/raw_client.ts";
import {
  type Installation,
  registration,
  TEAM,
  URL_FOR_CLIENTS,
} from "./_installation.ts";
import { until } from "./_kube.ts";
import { measured } from "./_network.ts";
import { type Sdk, ToolClient } from "./_tool_client.ts";

/** Declares a test on an installation with the samples in it. */
export type ProvesOnInstallation = (
  sentence: string,
  test: (installation: Installation) => Promise<void>,
) => void;

/** Waits until a client's call of the sample's server succeeds. */
export async function untilCallsPass(): Promise<void> {
  await until("a first call", async () => {
    try {
      await using client = await ToolClient.connect("v1", URL_FOR_CLIENTS);
      return await client.call("weather_echo", { a: 1 }) === '{"a":1}' ||
        undefined;
    } catch {
      return undefined; // not programmed yet
    }
  });
}

/**
 * Calls a tool, again where the answer says that it did not run: who programs
 * Envoy learns of a change when the gateway does, and is slower.
 */
async function callSoon(
  client: ToolClient,
  name: string,
  args: Record<string, unknown>,
): Promise<string> {
  return await until(`a call of ${name}`, async () => {
    try {
      return await client.call(name, args);
    } catch (error) {
      if (`${error}`.includes('"retryable":true')) return undefined;
      throw error;
    }
  });
}

/** A data plane under test. */
export interface DataPlane {
  /** Who programs it. */
  readonly by: string;
  /** What Envoy was programmed with last, as its admin interface shows it. */
  readonly configDump: () => Promise<string>;
}

/**
 * Declares the tests that every data plane passes.
 *
 * @param proves Declares one.
 */
export function provesWhatClientsArePromised(
  proves: ProvesOnInstallation,
  { by, configDump }: DataPlane,
): void {
  for (const sdk of ["v1", "v2"] satisfies Sdk[]) {
    proves(
      `A client of the ${sdk} SDK lists and calls tools through the Envoy that ${by} programs`,
      async () => {
        await using client = await ToolClient.connect(sdk, URL_FOR_CLIENTS);
        assertEquals(await client.tools(), ["weather_echo", "weather_facts"]);
        assertEquals(
          await client.call("weather_echo", { text: "Grüße" }),
          '{"text":"Grüße"}',
        );
        // Nothing of ours, nor of the client's own, reaches a server.
        const { headers } = JSON.parse(await client.call("weather_facts"));
        assert(headers.includes("mcp-session-id"), `${headers}`);
        for (const name of ["x-mcp-caller", "x-mcp-upstream"]) {
          assert(!headers.includes(name), `${headers}`);
        }
      },
    );
  }

  proves(
    "A client without sessions calls a server of its era, straight, and one of the other",
    async ({ cluster: { admin } }) => {
      const modern = registration("features", {
        prefix: "m_",
        path: "/stateless",
      });
      await admin.apply(modern);
      try {
        await using client = await ToolClient.connect(
          "stateless",
          URL_FOR_CLIENTS,
        );
        await until("the tools of both", async () => {
          const tools = await client.tools();
          return tools.includes("m_echo") && tools.includes("weather_echo") ||
            undefined;
        });
        assertStringIncludes(
          await callSoon(client, "m_echo", { text: "of its era" }),
          "of its era",
        );
        assertEquals(
          await callSoon(client, "weather_echo", { n: 1 }),
          '{"n":1}',
        );
      } finally {
        await admin.delete(modern);
      }
      // Another test begins with what is left of this one.
      await using after = await ToolClient.connect(
        "stateless",
        URL_FOR_CLIENTS,
      );
      await until(
        "its tools to be gone",
        async () =>
          (await after.tools()).some((name) => name.startsWith("m_"))
            ? undefined
            : true,
      );
    },
  );

  proves(
    "A registration created, changed, disabled and deleted is visible to a client that listens",
    async ({ cluster: { admin } }) => {
      await using v1 = await ToolClient.connect("v1", URL_FOR_CLIENTS);
      await using v2 = await ToolClient.connect("v2", URL_FOR_CLIENTS);
      const before = await v1.tools();
      // The first SDK's clients take no list with all that this server's has.
      let client = v2;
      let changed = { what: "", startedAt: 0 };
      /** Does something, and waits until the client was told and sees it. */
      const change = async (
        what: string,
        act: () => Promise<unknown>,
        seen: (tools: readonly string[]) => boolean,
      ) => {
        const { heard } = client;
        await act();
        const startedAt = performance.now();
        await until(
          `the client to be told: ${what}`,
          () => client.heard > heard ? true : undefined,
        );
        measured(`${what}: the client is told`, startedAt);
        await until(
          `tools to show: ${what}`,
          async () => seen(await client.tools()) ? true : undefined,
        );
        measured(`${what}: the client sees it`, startedAt);
        changed = { what, startedAt };
      };
      /** Calls what the last change made. */
      const call = async (name: string, args: Record<string, unknown>) => {
        const text = await callSoon(client, name, args);
        measured(`${changed.what}: the client calls it`, changed.startedAt);
        return text;
      };
      const features = registration("features", { prefix: "f_" });
      const has = (name: string) => (tools: readonly string[]) =>
        tools.includes(name);
      const hasNot = (name: string) => (tools: readonly string[]) =>
        !tools.includes(name);

      await change("created", () => admin.apply(features), has("f_echo"));
      assertStringIncludes(
        await call("f_echo", { text: "new" }),
        "new",
      );
      await change(
        "disabled",
        () =>
          admin.apply(
            registration("features", { prefix: "f_", state: "Disabled" }),
          ),
        hasNot("f_echo"),
      );
      await change(
        "enabled",
        () =>
          admin.apply(
            registration("features", { prefix: "f_", state: "Enabled" }),
          ),
        has("f_echo"),
      );
      assertStringIncludes(
        await call("f_echo", { text: "on" }),
        "on",
      );
      await change("deleted", () => admin.delete(features), hasNot("f_echo"));
      // A prefix is for life: another one is another registration.
      await change(
        "created with another prefix",
        () => admin.apply(registration("features", { prefix: "g_" })),
        (tools) => has("g_echo")(tools) && hasNot("f_echo")(tools),
      );
      assertStringIncludes(
        await call("g_echo", { text: "again" }),
        "again",
      );
      await change(
        "deleted again",
        () => admin.delete(features),
        hasNot("g_echo"),
      );

      client = v1;
      const weather = (path: string) =>
        registration("weather", { prefix: "weather_", path });
      await change(
        "another path",
        () => admin.apply(weather("/v2")),
        has("weather_moved_echo"),
      );
      assertEquals(
        await call("weather_moved_echo", { n: 2 }),
        '{"n":2}',
      );
      await change(
        "the former path",
        () => admin.apply(weather("/mcp")),
        has("weather_echo"),
      );
      assertEquals(await call("weather_echo", { n: 1 }), '{"n":1}');
      assertEquals(await client.tools(), before);
    },
  );

  proves(
    "More calls than Envoy's resets would let pass all succeed, as its connections to the router end gracefully",
    async () => {
      await using client = await ToolClient.connect("v2", URL_FOR_CLIENTS);
      const calls = 1_200;
      const startedAt = performance.now();
      let next = 0;
      await Promise.all(Array.from({ length: 16 }, async () => {
        while (next < calls) {
          const n = next++;
          assertEquals(await client.call("weather_echo", { n }), `{"n":${n}}`);
        }
      }));
      measured(`${calls} calls`, startedAt);
    },
  );

  proves(
    "A message larger than Envoy's own limit passes, one larger than ours is refused as such",
    async () => {
      const client = await RawClient.connect(URL_FOR_CLIENTS);
      const text = "x".repeat(2 * 1024 * 1024);
      const { message } = await client.send({
        ...{ jsonrpc: "2.0", id: 1, method: "tools/call" },
        params: { name: "weather_echo", arguments: { text } },
      });
      assertEquals(message?.result?.content?.[0]?.text, `{"text":"${text}"}`);
      const { status } = await client.send({
        ...{ jsonrpc: "2.0", id: 2, method: "tools/call" },
        params: { name: "weather_echo", arguments: { text: text.repeat(3) } },
      });
      assertEquals(status, 413);
    },
  );

  proves(
    "Clients cannot say that they were routed already",
    async () => {
      const client = await RawClient.connect(URL_FOR_CLIENTS);
      const { message } = await client.call("facts", {}, {
        headers: { "x-destination-mcp": `${TEAM}/weather` },
      });
      assertStringIncludes(`${message?.error?.message}`, "facts");
    },
  );

  proves(
    "In the moment in which a server is registered, nothing that a client shows the gateway reaches it, and what fails may be repeated",
    async ({ cluster: { admin } }) => {
      const client = await RawClient.connect(URL_FOR_CLIENTS, {
        headers: {
          authorization: "Bearer for-the-gateway",
          cookie: "session=of-the-gateway",
        },
      });
      const over = new AbortController();
      let answers = 0;
      const leaks = new Set<string>();
      const failures = new Set<string>();
      const look = async () => {
        while (!over.signal.aborted) {
          const { status, message } = await client.call("weather_facts");
          const text = message?.result?.content?.[0]?.text;
          if (text === undefined) {
            // Not registered, or not reached yet.
            const { code, data } = message?.error ?? {};
            if (code === -32602 || data?.retryable === true) continue;
            failures.add(`${status} ${JSON.stringify(message)}`);
            continue;
          }
          answers++;
          for (const header of JSON.parse(text).headers as string[]) {
            if (/^(authorization|cookie|x-mcp-caller)$/.test(header)) {
              leaks.add(header);
            }
          }
        }
      };
      const looking = Promise.all([look(), look()]);
      looking.catch(() => {}); // looked at below
      const weather = registration("weather", { prefix: "weather_" });
      const more = (count: number) => {
        const enough = answers + count;
        return until("answers", () => answers > enough || undefined);
      };
      try {
        for (let round = 0; round < 4; round++) {
          await more(10);
          await admin.delete(weather);
          await until(
            "its tools to be gone",
            async () => (await client.toolNames()).length === 0 || undefined,
          );
          await until(
            "Envoy to know nothing of it any more",
            async () =>
              !(await configDump()).includes(`"${TEAM}/weather"`) || undefined,
          );
          await admin.apply(weather);
        }
        await more(10);
      } finally {
        over.abort();
        await looking;
      }
      assertEquals([...leaks], []);
      assertEquals([...failures], []);
    },
  );
}
