import { assertEquals, assertRejects } from "@std/assert";
import { inClusterAccess, NoClusterError } from "./in_cluster.ts";

/** A service account's files. */
function files(given: Readonly<Record<string, string>>) {
  return (path: string) => {
    const text = given[path.slice("/sa/".length)];
    return text === undefined
      ? Promise.reject(new Deno.errors.NotFound(path))
      : Promise.resolve(text);
  };
}

const FILES = { namespace: "mcp\n", token: "one\n", "ca.crt": "PEM" };

for (
  const { host, port, want } of [
    { host: "10.96.0.1", port: "443", want: "https://10.96.0.1:443" },
    { host: "fd00::1", port: "6443", want: "https://[fd00::1]:6443" },
    { host: "kubernetes", port: undefined, want: "https://kubernetes:443" },
  ]
) {
  Deno.test(`inClusterAccess() finds the API server of ${host} at ${want}`, async () => {
    const access = await inClusterAccess({
      host,
      port,
      directory: "/sa",
      readTextFile: files(FILES),
    });
    assertEquals(access.server, want);
    assertEquals(access.namespace, "mcp");
  });
}

Deno.test("inClusterAccess() shows the token that is there when it is asked", async () => {
  const given = { ...FILES };
  const access = await inClusterAccess({
    host: "h",
    port: "1",
    directory: "/sa",
    readTextFile: (path) => files(given)(path),
  });
  assertEquals(await access.credentials(), {
    headers: { authorization: "Bearer one" },
    caCert: "PEM",
  });
  given.token = "two";
  given["ca.crt"] = "PEM2";
  assertEquals(await access.credentials(), {
    headers: { authorization: "Bearer two" },
    caCert: "PEM2",
  });
});

for (
  const { name, host, given, want } of [
    {
      name: "outside of a pod",
      host: undefined,
      given: FILES,
      want: "KUBERNETES_SERVICE_HOST is not set",
    },
    {
      name: "in a pod without a service account",
      host: "h",
      given: {},
      want: "/sa/namespace cannot be read (NotFound)",
    },
  ]
) {
  Deno.test(`inClusterAccess() says what is missing ${name}`, async () => {
    await assertRejects(
      () =>
        inClusterAccess({
          host,
          port: undefined,
          directory: "/sa",
          readTextFile: files(given as Record<string, string>),
        }),
      NoClusterError,
      want,
    );
  });
}
