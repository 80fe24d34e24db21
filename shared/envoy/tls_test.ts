import { assertEquals } from "@std/assert";
import { at } from "./_testing.ts";
import { tlsSecret } from "./tls.ts";

const cases = [
  {
    name: "watches the folder that both are in",
    certificate: "/etc/tls/a.pem",
    key: "/etc/tls/a.key",
    want: { path: "/etc/tls" },
  },
  {
    name: "watches the root",
    certificate: "/a.pem",
    key: "/a.key",
    want: { path: "/" },
  },
  {
    name: "watches no folder where there are two",
    certificate: "/etc/tls/a.pem",
    key: "/etc/keys/a.key",
    want: undefined,
  },
];

for (const { name, certificate, key, want } of cases) {
  Deno.test(`tlsSecret() ${name}`, () => {
    const secret = tlsSecret({ certificate, key });
    assertEquals(at(secret, "tls_certificate.watched_directory"), want);
    assertEquals(
      at(secret, "tls_certificate.private_key.filename"),
      key,
    );
  });
}
