import { assert, assertEquals } from "@std/assert";
import { SILENT } from "../../shared/_testing.ts";
import { RejectedError } from "../../shared/envoy/admin.ts";
import type { EnvoyServers } from "../../shared/envoy/files.ts";
import { eventually } from "../../tests/support/wait.ts";
import { followConfig } from "./follow.ts";
import type { PreparedUpdate } from "./prepare.ts";

const NOTHING: EnvoyServers = { clusters: [], routed: [] };
const done = () => Promise.resolve();

/** An update that notes that it was published. */
function update(
  key: string,
  published: string[],
  take: () => Promise<void> = done,
): PreparedUpdate {
  return {
    key,
    envoy: "running",
    update: {
      version: "1",
      listenerVersion: "1",
      now: NOTHING,
      before: undefined,
      files: {
        clusters: done,
        routes: done,
        listener: done,
        undo: done,
        bootstrap: () => Promise.resolve(false),
      },
      take,
      publish: () => {
        published.push(key);
        return done();
      },
    },
  };
}

const configOf = (name: string) =>
  `servers: [{name: ${name}, url: "http://127.0.0.1:1/mcp"}]\n`;

/** Follows a file; the test ends it. */
async function follow(
  prepare: (name: string, looks: number) => PreparedUpdate,
  test: (
    write: (text: string) => Promise<void>,
    looks: () => number,
  ) => Promise<void>,
  retryMs?: number,
): Promise<void> {
  const dir = await Deno.makeTempDir();
  const file = `${dir}/config.yaml`;
  const stop = new AbortController();
  let looks = 0;
  await Deno.writeTextFile(file, configOf("first"));
  const followed = followConfig({
    file,
    prepare: ({ config, text }) => {
      const name = config.servers[0]?.name ?? "none";
      assertEquals(text, configOf(name));
      return Promise.try(prepare, name, ++looks);
    },
    log: SILENT,
    signal: stop.signal,
    everyMs: 5,
    ...(retryMs === undefined ? {} : { retryMs }),
  });
  try {
    await test((text) => Deno.writeTextFile(file, text), () => looks);
  } finally {
    stop.abort();
    await followed;
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("followConfig() tells each configuration once, however often it looks", async () => {
  const published: string[] = [];
  await follow((name) => update(name, published), async (write, looks) => {
    await eventually(() => assertEquals(published, ["first"]));
    const before = looks();
    await eventually(() => assert(looks() > before + 3));
    assertEquals(published, ["first"]);
    await write(configOf("second"));
    await eventually(() => assertEquals(published, ["first", "second"]));
  });
});

Deno.test("followConfig() tells again where something else has changed, such as a CA", async () => {
  const published: string[] = [];
  await follow(
    (name, looks) => update(looks < 3 ? name : `${name} anew`, published),
    async () => {
      await eventually(() => assertEquals(published, ["first", "first anew"]));
    },
  );
});

Deno.test("followConfig() tries again what failed for a moment", async () => {
  const published: string[] = [];
  await follow(
    (name, looks) => {
      if (looks < 3) throw new Error("no such CA yet");
      return update(name, published);
    },
    async () => {
      await eventually(() => assertEquals(published, ["first"]));
    },
  );
});

Deno.test("followConfig() does not try again at once what Envoy refused, until it changes", async () => {
  const published: string[] = [];
  let refused = 0;
  await follow(
    (name) =>
      update(name, published, () => {
        if (name === "second") return done();
        refused++;
        return Promise.reject(new RejectedError("clusters", "no"));
      }),
    async (write, looks) => {
      await eventually(() => assert(looks() > 4));
      assertEquals({ refused, published }, { refused: 1, published: [] });
      await write(configOf("second"));
      await eventually(() => assertEquals(published, ["second"]));
    },
  );
});

Deno.test("followConfig() tries again what Envoy refused, after a while", async () => {
  const published: string[] = [];
  let refused = 0;
  await follow(
    (name) =>
      update(name, published, () => {
        if (refused === 2) return done();
        refused++;
        return Promise.reject(new RejectedError("certificates", "no key yet"));
      }),
    async () => {
      await eventually(() => assertEquals(published, ["first"]));
      assertEquals(refused, 2);
    },
    10,
  );
});
