import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { COMMON_OPTIONS } from "./common_options.ts";
import { describeOptions, parseOptions } from "./options.ts";

Deno.test("COMMON_OPTIONS have usable defaults", () => {
  const outcome = parseOptions(COMMON_OPTIONS, [], new Map());
  assertEquals(outcome, {
    kind: "options",
    values: {
      config: "/etc/mcp-gateway/config.yaml",
      configSecret: "mcp-gateway-credentials",
      secretsDir: "/run/secrets/mcp-gateway",
      serviceAccountDir: "/var/run/secrets/kubernetes.io/serviceaccount",
      kubeHost: undefined,
      kubePort: undefined,
      stateDir: "/var/lib/mcp-gateway",
      store: "sqlite",
      storeUrl: undefined,
      storeUrlFile: undefined,
      storeCaFile: undefined,
      storeTimeoutMs: 50,
      identityHeader: undefined,
      signingKeyFile: undefined,
      signingKey: undefined,
      previousSigningKeyFile: undefined,
      previousSigningKey: undefined,
      path: "/mcp",
      allowedOrigins: [],
      allowedHosts: [],
      maxBodyBytes: 4_194_304,
      logLevel: "info",
      logFormat: "json",
      drainDelaySeconds: 5,
      drainSeconds: 20,
    },
  });
});

Deno.test("COMMON_OPTIONS take keys from files or the environment, never as flags", () => {
  const rows = describeOptions(COMMON_OPTIONS)
    .filter((row) => /key/i.test(row.key))
    .map((row) => [row.flag, row.env]);
  assertEquals(rows, [
    ["--signing-key-file FILE", "GATEWAY_SIGNING_KEY_FILE"],
    [undefined, "GATEWAY_SIGNING_KEY"],
    ["--previous-signing-key-file FILE", "GATEWAY_PREVIOUS_SIGNING_KEY_FILE"],
    [undefined, "GATEWAY_PREVIOUS_SIGNING_KEY"],
  ]);
});

for (
  const { args, ok } of [
    { args: ["--config", "kube:mcp/gateway"], ok: true },
    { args: ["--config", "kube:gateway"], ok: false },
    { args: ["--config", "kube:mcp/gateway/config.yaml"], ok: false },
    { args: ["--config-secret", "tokens"], ok: true },
    { args: ["--config-secret", "mcp/tokens"], ok: false },
    { args: ["--path", "/mcp"], ok: true },
    { args: ["--path", "/team/mcp-1"], ok: true },
    { args: ["--path", "/"], ok: false },
    { args: ["--path", "mcp"], ok: false },
    { args: ["--path", "/mcp/"], ok: false },
    { args: ["--path", "/a//b"], ok: false },
    { args: ["--path", "/a/../b"], ok: false },
    { args: ["--path", "/mcp?x"], ok: false },
    { args: ["--path", "/mcp%2f"], ok: false },
    { args: ["--identity-header", "X-Forwarded-User"], ok: true },
    { args: ["--identity-header", "X_Mcp_User"], ok: false },
  ]
) {
  Deno.test(`COMMON_OPTIONS ${ok ? "take" : "refuse"} ${args.join(" ")}`, () => {
    const outcome = parseOptions(COMMON_OPTIONS, args, new Map());
    assertEquals(outcome.kind, ok ? "options" : "invalid");
  });
}

Deno.test("COMMON_OPTIONS show nothing of a store URL that they refuse", () => {
  const args = ["--store", "redis", "--store-url", "redis://:hunter2@host/x"];
  const outcome = parseOptions(COMMON_OPTIONS, args, new Map());
  assert(outcome.kind === "invalid");
  const problems = outcome.problems.join("\n");
  assertStringIncludes(problems, "--store-url: want redis://");
  assert(!problems.includes("hunter2"));
});

Deno.test("COMMON_OPTIONS take a store URL or a file of it, not both", () => {
  const env = new Map([["GATEWAY_STORE_URL", "redis://:secret@host"]]);
  const outcome = parseOptions(COMMON_OPTIONS, [], env);
  assert(outcome.kind === "options");
  assertEquals(outcome.values.storeUrl, "redis://:secret@host");
  const both = parseOptions(COMMON_OPTIONS, ["--store-url-file", "f"], env);
  assertEquals(both.kind, "invalid");
});
