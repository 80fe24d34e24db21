import { assert, assertEquals } from "@std/assert";
import { permissionFlags, RECIPES, SYSTEM_DIRECTORIES } from "./permissions.ts";

Deno.test("permissionFlags() allows a broker its directories, the network and variables by name", () => {
  const flags = permissionFlags(RECIPES.broker, SYSTEM_DIRECTORIES, [
    "GATEWAY_STORE",
    "GATEWAY_CONFIG",
    "GATEWAY_STORE",
  ]);
  assertEquals(flags, [
    "--no-prompt",
    "--allow-net",
    "--deny-import",
    "--allow-read=/etc/mcp-gateway,/run/secrets/mcp-gateway," +
    "/var/run/secrets/kubernetes.io/serviceaccount," +
    "/var/lib/mcp-gateway,/run/mcp-gateway",
    "--allow-write=/var/lib/mcp-gateway,/run/mcp-gateway",
    "--allow-env=GATEWAY_CONFIG,GATEWAY_STORE",
    "--ignore-env=LOG_STREAM,LOG_TOKENS",
  ]);
});

Deno.test("permissionFlags() lets a controller read its service account and write nothing", () => {
  assertEquals(
    permissionFlags(RECIPES.controller, SYSTEM_DIRECTORIES, ["GATEWAY_PATH"]),
    [
      "--no-prompt",
      "--allow-net",
      "--deny-import",
      "--allow-read=/var/run/secrets/kubernetes.io/serviceaccount",
      "--allow-env=GATEWAY_PATH",
      "--ignore-env=LOG_STREAM,LOG_TOKENS",
    ],
  );
});

for (const [program, recipe] of Object.entries(RECIPES)) {
  Deno.test(`permissionFlags() gives a ${program} nothing without a limit but the network`, () => {
    const flags = permissionFlags(recipe, SYSTEM_DIRECTORIES, ["A"]);
    const unlimited = flags.filter((flag) => /^-(-allow|A)[^=]*$/.test(flag));
    assertEquals(unlimited, ["--allow-net"]);
    const others = flags.filter((flag) => /allow-(run|ffi|sys|all)/.test(flag));
    assertEquals(others, []);
  });
}

Deno.test("permissionFlags() keeps no variable from a program that it may read", () => {
  const flags = permissionFlags(RECIPES.broker, SYSTEM_DIRECTORIES, [
    "LOG_TOKENS",
  ]);
  assert(flags.includes("--allow-env=LOG_TOKENS"));
  assert(flags.includes("--ignore-env=LOG_STREAM"));
});
