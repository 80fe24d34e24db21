/**
 * Router and broker take their configuration out of a cluster, with the rights
 * to one ConfigMap and one Secret and no others.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { BROKER_OPTIONS } from "../../broker/options.ts";
import { ROUTER_OPTIONS } from "../../router/options.ts";
import { KubeSource } from "../../shared/config/kube_source.ts";
import type { GatewayConfig } from "../../shared/config/model.ts";
import { formatProblem } from "../../shared/config/parse.ts";
import { readSecret } from "../../shared/config/secrets.ts";
import { KubeClient } from "../../shared/kube/client.ts";
import {
  permissionFlags,
  RECIPES,
} from "../../shared/local/build/permissions.ts";
import { LocalProcess } from "../../shared/local/processes.ts";
import { environmentNames } from "../../shared/options.ts";
import { PROJECT_DIR } from "../support/paths.ts";
import type { KubeObject } from "./_client.ts";
import type { Cluster } from "./_cluster.ts";
import { connect, logTo, QUICK, until } from "./_kube.ts";
import { controlPlane } from "./_world.ts";

const proves = controlPlane({ gatewayApi: false });

const NAME = "mcp-gateway-config";
const SECRET = "mcp-gateway-credentials";

let made = 0;

/** A namespace of the test's own, and a token that may follow its two objects. */
async function world(
  cluster: Cluster,
): Promise<{ namespace: string; token: string }> {
  const namespace = `source-${++made}`;
  await cluster.createNamespace(namespace);
  const token = await cluster.serviceAccountToken(namespace, "data-plane");
  const metadata = { name: "data-plane", namespace };
  await cluster.admin.apply({
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "Role",
    metadata,
    rules: [
      {
        apiGroups: [""],
        resources: ["configmaps"],
        resourceNames: [NAME],
        verbs: ["list", "watch"],
      },
      {
        apiGroups: [""],
        resources: ["secrets"],
        resourceNames: [SECRET],
        verbs: ["list", "watch"],
      },
    ],
  });
  await cluster.admin.apply({
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "RoleBinding",
    metadata,
    roleRef: {
      apiGroup: "rbac.authorization.k8s.io",
      kind: "Role",
      name: "data-plane",
    },
    subjects: [{ kind: "ServiceAccount", name: "data-plane", namespace }],
  });
  return { namespace, token };
}

function configMap(namespace: string, ...servers: string[]): KubeObject {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: NAME, namespace },
    data: {
      "config.yaml": JSON.stringify({
        servers: servers.map((name) => ({
          name,
          url: `http://127.0.0.1:9/${name}`,
          prefix: `${name}_`,
          credential: { file: `${name}-token` },
        })),
      }),
    },
  };
}

function secret(
  namespace: string,
  files: Readonly<Record<string, string>>,
): KubeObject {
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: SECRET, namespace },
    data: Object.fromEntries(
      Object.entries(files).map(([name, text]) => [name, btoa(text)]),
    ),
  };
}

function namesOf(config: GatewayConfig | undefined): string {
  return config?.servers.map(({ name }) => name).join(" ") ?? "none";
}

/** A source that is followed until it is disposed of. */
class Followed implements AsyncDisposable {
  readonly changes: string[] = [];
  readonly log: string[] = [];
  readonly source: KubeSource;
  problems = "";
  readonly #client: KubeClient;
  readonly #stop = new AbortController();
  #done: Promise<void> = Promise.resolve();

  constructor(cluster: Cluster, namespace: string, token: string) {
    this.#client = new KubeClient({ transport: connect(cluster, token) });
    this.source = new KubeSource({
      namespace,
      name: NAME,
      secretName: SECRET,
      client: this.#client,
      log: logTo(this.log),
      timing: QUICK,
      patience: { startMs: 2_000, filesMs: 10_000 },
    });
  }

  async start(): Promise<this> {
    const watch = await this.source.watch({
      signal: this.#stop.signal,
      onChange: (config) => void this.changes.push(namesOf(config)),
      onProblems: (problems) => {
        this.problems = problems.map(formatProblem).join("\n");
      },
    });
    this.#done = watch.done;
    return this;
  }

  async until(what: string, holds: () => boolean): Promise<void> {
    try {
      await until(what, () => holds() ? true : undefined);
    } catch (cause) {
      throw new Error(`${cause}\n${this.log.join("\n")}`, { cause });
    }
  }

  async read(name: string): Promise<string> {
    const io = { ...this.source.secrets, env: () => undefined };
    return await readSecret({ kind: "file", name }, io).catch(String);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#done;
    this.#client.close();
  }
}

proves(
  "A source follows its ConfigMap and its Secret with the rights to these two",
  async (cluster) => {
    const { namespace, token } = await world(cluster);
    await cluster.admin.apply(secret(namespace, { "a-token": "Bearer 1" }));
    await cluster.admin.apply(configMap(namespace, "a"));
    await using followed = await new Followed(cluster, namespace, token)
      .start();
    // In force before it returns, as with a file.
    assertEquals(followed.changes, ["a"]);
    assertEquals(await followed.read("a-token"), "Bearer 1");

    await cluster.admin.apply(
      secret(namespace, { "a-token": "Bearer 1", "b-token": "Bearer 2" }),
    );
    const writtenAt = performance.now();
    await cluster.admin.apply(configMap(namespace, "a", "b"));
    await followed.until("a b", () => followed.changes.at(-1) === "a b");
    console.log(
      `in force ${
        Math.round(performance.now() - writtenAt)
      } ms after the write began`,
    );
    assertEquals(await followed.read("b-token"), "Bearer 2");

    await cluster.admin.apply(secret(namespace, { "a-token": "Bearer 3" }));
    await until(
      "a rotated secret",
      async () =>
        await followed.read("a-token") === "Bearer 3" ? true : undefined,
    );
    assertStringIncludes(
      await followed.read("b-token"),
      `Cannot read secret from file b-token: the file cannot be read from Secret ${namespace}/${SECRET} (NotFound)`,
    );
    assertEquals(followed.changes, ["a", "a b"]);
    assertEquals(followed.problems, "");
  },
);

proves(
  "A source keeps the last good configuration through bad ones, none, and an API server that is down",
  async (cluster) => {
    const { namespace, token } = await world(cluster);
    await using followed = await new Followed(cluster, namespace, token)
      .start();
    assertStringIncludes(followed.problems, "there is no such ConfigMap");
    await cluster.admin.apply(configMap(namespace));
    await followed.until("no servers", () => followed.changes.length === 1);
    await cluster.admin.apply({
      ...configMap(namespace),
      data: { "config.yaml": "servers:\n- name: broker\n" },
    });
    await followed.until("a problem", () => followed.problems !== "");
    assertStringIncludes(followed.problems, `kube:${namespace}/${NAME}:2:`);
    await cluster.admin.apply({ ...configMap(namespace), data: { other: "" } });
    await followed.until(
      "an empty one",
      () => /has no config.yaml/.test(followed.problems),
    );
    await cluster.admin.delete(configMap(namespace));
    await followed.until(
      "it to be gone",
      () => /no such ConfigMap/.test(followed.problems),
    );
    assertEquals(followed.changes, [""]);
    cluster.apiServer.kill();
    await cluster.apiServer.ended;
    await cluster.apiServer.start();
    await cluster.admin.apply(configMap(namespace));
    await followed.until("no problem", () => followed.problems === "");
    assertEquals(followed.changes, [""]);
  },
);

proves(
  "A source gives a Secret that comes late the time to come",
  async (cluster) => {
    const { namespace, token } = await world(cluster);
    await cluster.admin.apply(configMap(namespace));
    await using followed = await new Followed(cluster, namespace, token)
      .start();
    await cluster.admin.apply(configMap(namespace, "a"));
    await cluster.admin.apply(secret(namespace, { "a-token": "Bearer 1" }));
    await followed.until("a", () => followed.changes.at(-1) === "a");
    assertEquals(await followed.read("a-token"), "Bearer 1");
  },
);

proves(
  "A source without the right to its ConfigMap says so and goes on when it has it",
  async (cluster) => {
    const { namespace } = await world(cluster);
    const token = await cluster.serviceAccountToken(namespace, "stranger");
    await cluster.admin.apply(configMap(namespace));
    await using followed = await new Followed(cluster, namespace, token)
      .start();
    assertStringIncludes(followed.problems, "403 Forbidden");
    await cluster.admin.apply({
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "RoleBinding",
      metadata: { name: "stranger", namespace },
      roleRef: {
        apiGroup: "rbac.authorization.k8s.io",
        kind: "Role",
        name: "data-plane",
      },
      subjects: [{ kind: "ServiceAccount", name: "stranger", namespace }],
    });
    await followed.until("it", () => followed.changes.length === 1);
    assertEquals(followed.problems, "");
  },
);

for (
  const { program, options } of [
    { program: "broker", options: BROKER_OPTIONS },
    { program: "router", options: ROUTER_OPTIONS },
  ] as const
) {
  proves(
    `A ${program} in a pod follows --config kube:NAMESPACE/NAME`,
    async (cluster) => {
      const { namespace, token } = await world(cluster);
      await cluster.admin.apply(configMap(namespace));
      const dir = await Deno.makeTempDir({ prefix: "in-pod-" });
      for (
        const [name, text] of Object.entries({
          token,
          namespace,
          "ca.crt": cluster.caCert,
        })
      ) await Deno.writeTextFile(`${dir}/${name}`, text);
      const { hostname, port } = new URL(cluster.url);
      let address = "";
      // What an executable may do, in directories of the test's own.
      const flags = permissionFlags(
        RECIPES[program],
        {
          config: dir,
          secrets: dir,
          serviceAccount: dir,
          state: dir,
          sockets: dir,
        },
        environmentNames(options),
      );
      const process = new LocalProcess({
        name: program,
        command: Deno.execPath(),
        args: [
          ...[
            "run",
            "--no-check",
            ...flags,
            `${PROJECT_DIR}/${program}/main.ts`,
          ],
          ...[`--config=kube:${namespace}/${NAME}`, `--state-dir=${dir}`],
          ...[`--service-account-dir=${dir}`, "--store=memory"],
          ...["--listen=127.0.0.1:0", "--internal-listen=127.0.0.1:0"],
          "--drain-delay-seconds=0",
        ],
        env: {
          KUBERNETES_SERVICE_HOST: hostname,
          KUBERNETES_SERVICE_PORT: port,
        },
        onLine: (line) => {
          const { message, listener, address: at } = JSON.parse(line);
          if (message === "listening" && listener === "internal") address = at;
        },
      });
      const status = async (): Promise<
        { config?: string; configProblems: string[] } | undefined
      > => {
        if (address === "") return undefined;
        return await (await fetch(`http://${address}/status`)).json();
      };
      try {
        await using _ = process;
        await process.start();
        const { config: first } = await until("a configuration", async () => {
          const now = await status();
          return now?.config === undefined ? undefined : now;
        });
        const writtenAt = performance.now();
        await cluster.admin.apply(secret(namespace, { "a-token": "Bearer 1" }));
        await cluster.admin.apply(configMap(namespace, "a"));
        await until("another configuration", async () => {
          const now = await status();
          return now?.config === first ? undefined : now;
        });
        console.log(
          `${program}: in force ${
            Math.round(performance.now() - writtenAt)
          } ms after the writes began`,
        );
        assert((await status())?.configProblems.length === 0);
      } catch (cause) {
        throw new Error(`${cause}\n${process.log.join("\n")}`, { cause });
      } finally {
        await Deno.remove(dir, { recursive: true });
      }
    },
  );
}
