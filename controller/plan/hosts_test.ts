import { assertEquals } from "@std/assert";
import { commonHost, hostProblem, isHostname } from "./hosts.ts";

for (
  const { a, b, want } of [
    { a: "", b: "", want: "" },
    { a: "", b: "x.y", want: "x.y" },
    { a: "x.y", b: "", want: "x.y" },
    { a: "x.y", b: "x.y", want: "x.y" },
    { a: "*.y", b: "x.y", want: "x.y" },
    { a: "a.x.y", b: "*.y", want: "a.x.y" },
    { a: "*.y", b: "*.x.y", want: "*.x.y" },
    { a: "*.y", b: "y", want: undefined },
    { a: "*.y", b: "xy", want: undefined },
    { a: "x.y", b: "z.y", want: undefined },
  ]
) {
  Deno.test(`commonHost() of "${a}" and "${b}" is ${want}`, () => {
    assertEquals(commonHost(a, b), want);
    assertEquals(commonHost(b, a), want);
  });
}

for (
  const { host, want } of [
    { host: "weather.mcp.local", want: true },
    { host: "localhost", want: true },
    { host: "1.2.3.4", want: false },
    { host: "a..b", want: false },
    { host: "-a.b", want: false },
    { host: "*.b", want: false },
    { host: "A.b", want: false },
    { host: `${"a".repeat(64)}.b`, want: false },
    { host: "", want: false },
  ]
) {
  Deno.test(`isHostname() says ${want} of "${host}"`, () => {
    assertEquals(isHostname(host), want);
  });
}

const RULES = {
  clusterDomain: "cluster.local",
  namespaces: new Set(["team", "other"]),
  allowLocal: false,
};

for (
  const { host, refused } of [
    { host: "api.example.com", refused: false },
    { host: "api.team.svc.cluster.local", refused: false },
    { host: "pod.api.team.svc.cluster.local", refused: false },
    { host: "api.team", refused: false },
    { host: "example.com", refused: false },
    { host: "10.0.0.1", refused: false },
    { host: "api.other.svc.cluster.local", refused: true },
    { host: "api.other.svc.cluster.local.", refused: true },
    { host: "1-2-3-4.other.pod.cluster.local", refused: true },
    { host: "team.svc.cluster.local", refused: false },
    { host: "svc.cluster.local", refused: true },
    { host: "api.other", refused: true },
    { host: "127.1.2.3", refused: true },
    { host: "0.0.0.0", refused: true },
    { host: "x.localhost", refused: true },
    { host: "[::1]", refused: true },
    { host: "[::]", refused: true },
    { host: "[fe80::1]", refused: true },
    { host: "[::ffff:a9fe:a9fe]", refused: true },
    { host: "169.254.1.1", refused: true },
  ]
) {
  Deno.test(`hostProblem() ${refused ? "refuses" : "allows"} ${host}`, () => {
    assertEquals(hostProblem(host, "team", RULES) !== undefined, refused);
  });
}
