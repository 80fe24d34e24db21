/**
 * The generated configuration before a real Envoy: accepted, whatever servers
 * it is for, and without a word about deprecated fields.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { parseConfig } from "../../shared/config/parse.ts";
import { type EnvoyOptions, envoyOptions } from "../../shared/envoy/options.ts";
import { staticBootstrap } from "../../shared/envoy/static_bootstrap.ts";
import { defaultCacheDir, findEnvoy } from "../../shared/local/envoy_binary.ts";

const envoy = await findEnvoy({
  cacheDir: defaultCacheDir((name) => Deno.env.get(name)),
  env: (name) => Deno.env.get(name),
  progress: (line) => console.error(line),
});

/** A certificate of no authority's, for CA fields. */
const PEM = await Deno.readTextFile(
  new URL("../fixtures/tls/ca.pem", import.meta.url),
);

interface Case {
  readonly name: string;
  readonly servers: string;
  readonly options?: Partial<EnvoyOptions>;
}

const cases: readonly Case[] = [
  { name: "no servers", servers: "[]" },
  {
    name: "http servers, by name and by address",
    servers: `
- {name: by name, url: "http://localhost:9001/mcp"}
- {name: by address, url: "http://127.0.0.1:9002/mcp"}
- {name: by IPv6 address, url: "http://[::1]:9003/mcp"}
- {name: not used, url: "http://127.0.0.1:9004/mcp", state: Disabled}`,
  },
  {
    name: "https servers, with the system's and with their own CA",
    servers: `
- {name: public, url: "https://mcp.example.com/mcp"}
- {name: private, url: "https://10.0.0.1:8443/mcp", caCert: {file: ca.pem}}`,
    options: { caCerts: new Map([["private", PEM]]) },
  },
  {
    name: "names and a hostname out of the ordinary",
    servers: `
- {name: 'team/"Weather" 100%', url: "http://127.0.0.1:1/mcp"}
- {name: UPPER.case, url: "http://127.0.0.1:2/mcp", hostname: Shared.Example}`,
  },
  {
    name:
      "several routers and brokers on TCP, header steering, everything switched on",
    servers: `[{name: a, url: "http://127.0.0.1:9001/mcp"}]`,
    options: {
      routers: [
        { kind: "tcp", host: "127.0.0.1", port: 50051 },
        { kind: "tcp", host: "127.0.0.1", port: 50052 },
      ],
      brokers: [
        { kind: "tcp", host: "broker.local", port: 8080 },
        { kind: "tcp", host: "127.0.0.1", port: 8080 },
      ],
      steering: "header",
      underscoreHeaders: "REJECT_REQUEST",
      accessLog: "/dev/null",
      path: "/gateway/mcp",
    },
  },
  {
    name: "a listener with TLS that logs to standard output",
    servers: "[]",
    options: {
      tls: {
        certificate: new URL("../fixtures/tls/server.pem", import.meta.url)
          .pathname,
        key: new URL("../fixtures/tls/server.key", import.meta.url).pathname,
      },
      accessLog: "stdout",
    },
  },
];

for (const { name, servers, options } of cases) {
  Deno.test(`Envoy accepts what is generated for ${name}`, async () => {
    const parsed = parseConfig(`servers: ${servers}`, { file: name });
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
    const file = await Deno.makeTempFile({ suffix: ".json" });
    try {
      const generated = staticBootstrap(
        parsed.config,
        envoyOptions({
          listen: { kind: "tcp", host: "127.0.0.1", port: 18888 },
          brokers: [{ kind: "tcp", host: "127.0.0.1", port: 8080 }],
          routers: [{ kind: "unix", path: "/run/router-0.sock" }],
          ...options,
        }),
        { kind: "tcp", host: "127.0.0.1", port: 0 },
      );
      await Deno.writeTextFile(file, JSON.stringify(generated));
      const { success, stderr } = await new Deno.Command(envoy, {
        args: ["--mode", "validate", "-c", file, "--log-level", "warn"],
      }).output();
      assertEquals(
        { success, said: new TextDecoder().decode(stderr) },
        { success: true, said: "" },
      );
    } finally {
      await Deno.remove(file);
    }
  });
}
