import { assertEquals } from "@std/assert";
import { checkOrigin } from "./origin.ts";

const CASES = [
  { host: "gw.example", allowed: true },
  { origin: "http://localhost:6274", allowed: true },
  { origin: "http://127.0.0.1", allowed: true },
  { origin: "http://[::1]:3", allowed: true },
  {
    origin: "https://app.example",
    origins: ["https://app.example"],
    allowed: true,
  },
  { origin: "https://evil.example", origins: ["*"], allowed: true },
  { origin: "https://evil.example", allowed: false },
  { origin: "http://localhost.evil.example", allowed: false },
  { origin: "http://127.0.0.1.evil.example", allowed: false },
  { origin: "file://localhost", allowed: false },
  { origin: "null", allowed: false },
  { origin: "", allowed: false },
  { host: "evil.example", hosts: ["gw.example"], allowed: false },
  { host: "GW.example:8080", hosts: ["gw.example"], allowed: true },
  { host: "[::1]:8080", hosts: ["[::1]"], allowed: true },
];
for (const { allowed, ...given } of CASES) {
  const verb = allowed ? "allows" : "refuses";
  Deno.test(`checkOrigin() ${verb} ${JSON.stringify(given)}`, () => {
    const { host, origin } = given;
    const refusal = checkOrigin({ host, origin }, {
      allowedOrigins: given.origins ?? [],
      allowedHosts: given.hosts ?? [],
    });
    assertEquals(refusal?.kind, allowed ? undefined : "forbidden origin");
  });
}
