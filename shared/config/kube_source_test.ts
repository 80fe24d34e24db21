import { assert, assertEquals, assertMatch } from "@std/assert";
import { FakeApi, FakeTime, memoryLog, refused } from "../kube/_testing.ts";
import type { KubeClient } from "../kube/client.ts";
import type { KubeObject, Resource } from "../kube/object.ts";
import { CONFIG_KEY, KubeSource, parseKubeName } from "./kube_source.ts";
import { formatProblem } from "./parse.ts";
import { readSecret } from "./secrets.ts";

/** Far more than anything here takes. */
const DEADLINE_MS = 10_000;

function configMap(data: Readonly<Record<string, string>>): KubeObject {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "gateway", namespace: "mcp" },
    data,
  };
}

/** A configuration whose servers have a token each. */
function config(...names: string[]): KubeObject {
  return configMap({
    [CONFIG_KEY]: JSON.stringify({
      servers: names.map((name) => ({
        name,
        url: `http://${name}.test/mcp`,
        prefix: `${name}_`,
        credential: { file: `${name}-token` },
      })),
    }),
  });
}

function secret(files: Readonly<Record<string, string>>): KubeObject {
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "tokens", namespace: "mcp" },
    data: Object.fromEntries(
      Object.entries(files).map(([name, text]) => [name, btoa(text)]),
    ),
  };
}

/** A source of two servers in memory: one has the ConfigMap, one the Secret. */
class Fixture implements AsyncDisposable {
  readonly maps = new FakeApi();
  readonly secrets = new FakeApi();
  readonly changes: string[] = [];
  readonly log: string[] = [];
  problems = "";
  readonly source: KubeSource;
  readonly #stop = new AbortController();
  readonly #waiting = new Set<() => void>();
  #done: Promise<void> = Promise.resolve();

  constructor(patience = { startMs: DEADLINE_MS, filesMs: DEADLINE_MS }) {
    const at = ({ kind }: Resource) =>
      kind === "Secret" ? this.secrets : this.maps;
    const client: Pick<KubeClient, "list" | "watch"> = {
      list: (resource, query) => at(resource).list(resource, query),
      watch: (resource, query) => at(resource).watch(resource, query),
    };
    this.source = new KubeSource({
      namespace: "mcp",
      name: "gateway",
      secretName: "tokens",
      client,
      log: memoryLog(this.log),
      patience,
    });
  }

  async start(): Promise<this> {
    const watch = await this.source.watch({
      signal: this.#stop.signal,
      onChange: ({ servers }) => {
        this.changes.push(servers.map(({ name }) => name).join(" "));
        this.#tell();
      },
      onProblems: (problems) => {
        this.problems = problems.map(formatProblem).join("\n");
        this.#tell();
      },
    });
    this.#done = watch.done;
    return this;
  }

  #tell() {
    for (const wake of this.#waiting) queueMicrotask(wake);
  }

  async until(what: string, holds: () => boolean): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const look = () => holds() && resolve();
    const late = setTimeout(
      () => reject(new Error(`not in time: ${what}\n${this.log.join("\n")}`)),
      DEADLINE_MS,
    );
    this.#waiting.add(look);
    look();
    try {
      await promise;
    } finally {
      clearTimeout(late);
      this.#waiting.delete(look);
    }
  }

  async read(name: string): Promise<string> {
    const io = { ...this.source.secrets, env: () => undefined };
    return await readSecret({ kind: "file", name }, io).catch(String);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }
}

Deno.test("KubeSource has a configuration in force when its watch begins", async () => {
  await using it = new Fixture();
  it.maps.put(config("a"));
  it.secrets.put(secret({ "a-token": "Bearer 1" }));
  await it.start();
  assertEquals(it.changes, ["a"]);
  assertEquals(it.problems, "");
  assertEquals(await it.read("a-token"), "Bearer 1");
});

Deno.test("KubeSource follows changes of both objects", async () => {
  await using it = new Fixture();
  it.maps.put(config());
  await it.start();
  it.secrets.put(secret({ "a-token": "Bearer 1" }));
  it.maps.put(config("a"));
  await it.until("a", () => it.changes.at(-1) === "a");
  it.secrets.put(secret({ "a-token": "Bearer 2" }));
  it.maps.put(configMap({ [CONFIG_KEY]: "servers: nowhere" }));
  await it.until("a problem", () => it.problems !== "");
  assertEquals(await it.read("a-token"), "Bearer 2");
  assertEquals(it.changes, ["", "a"]);
});

Deno.test("KubeSource waits for files that a configuration names before it is in force", async () => {
  await using it = new Fixture();
  it.maps.put(config());
  await it.start();
  it.maps.put(config("a"));
  // Everything that would happen without a Secret has happened then.
  await new FakeTime().settle();
  assertEquals(it.changes, [""]);
  it.secrets.put(secret({ "a-token": "Bearer 1" }));
  await it.until("a", () => it.changes.at(-1) === "a");
  assertEquals(await it.read("a-token"), "Bearer 1");
});

Deno.test("KubeSource does not wait for ever for files that nobody writes", async () => {
  await using it = new Fixture({ startMs: DEADLINE_MS, filesMs: 30 });
  it.maps.put(config());
  await it.start();
  it.maps.put(config("a"));
  await it.until("a", () => it.changes.at(-1) === "a");
  assertMatch(await it.read("a-token"), /Secret mcp\/tokens \(NotFound\)/);
});

const REFUSED: {
  name: string;
  change: (api: FakeApi) => void;
  want: RegExp;
}[] = [
  {
    name: "a bad configuration",
    change: (api) => api.put(configMap({ [CONFIG_KEY]: "servers: x" })),
    want: /^kube:mcp\/gateway:1:/,
  },
  {
    name: "a ConfigMap without one",
    change: (api) => api.put(configMap({ other: "" })),
    want: /the ConfigMap has no config\.yaml/,
  },
  {
    name: "no ConfigMap",
    change: (api) => api.drop("mcp/gateway"),
    want: /there is no such ConfigMap/,
  },
];
for (const { name, change, want } of REFUSED) {
  Deno.test(`KubeSource keeps the last good configuration through ${name}`, async () => {
    await using it = new Fixture();
    it.maps.put(config());
    await it.start();
    change(it.maps);
    await it.until("a problem", () => want.test(it.problems));
    it.maps.put(config());
    await it.until("no problem", () => it.problems === "");
    assertEquals(it.changes, [""]);
  });
}

Deno.test("KubeSource reports a content once, whatever else changes", async () => {
  await using it = new Fixture();
  it.maps.put(configMap({ [CONFIG_KEY]: "servers: x" }));
  await it.start();
  it.secrets.put(secret({ "a-token": "Bearer 1" }));
  await new FakeTime().settle();
  const refusals = it.log.filter((line) => /configuration refused/.test(line));
  assertEquals(refusals.length, 1);
});

Deno.test("KubeSource begins without an API server, says so, and goes on when it is there", async () => {
  await using it = new Fixture({ startMs: 30, filesMs: 30 });
  it.maps.put(config());
  it.maps.refusals.push(refused(403, "Forbidden"));
  await it.start();
  assertMatch(it.problems, /403 Forbidden.*may get, list and watch/);
  await it.until("it", () => it.changes.length === 1);
  assertEquals(it.problems, "");
});

Deno.test("KubeSource keeps all it has while the API server is away", async () => {
  await using it = new Fixture();
  it.maps.put(config("a"));
  it.secrets.put(secret({ "a-token": "Bearer 1" }));
  await it.start();
  for (const api of [it.maps, it.secrets]) {
    api.refusals.push(refused(503), refused(503));
    api.hangUp(refused(503));
  }
  it.maps.put(config());
  await it.until("the change", () => it.changes.at(-1) === "");
  assertEquals(await it.read("a-token"), "Bearer 1");
  assertEquals(it.problems, "");
});

for (
  const { text, want } of [
    { text: "config.yaml", want: "file" },
    { text: "/kube:a/b", want: "file" },
    { text: "kube:mcp/mcp-gateway.config", want: "kube" },
    { text: "kube:", want: "invalid" },
    { text: "kube:mcp", want: "invalid" },
    { text: "kube:mcp/", want: "invalid" },
    { text: "kube:mcp/a/b", want: "invalid" },
    { text: "kube:mcp/../secrets", want: "invalid" },
    { text: "kube:mcp/a,metadata.name=b", want: "invalid" },
  ]
) {
  Deno.test(`parseKubeName() takes ${text} for ${want}`, () => {
    assert(parseKubeName(text).kind === want);
  });
}
