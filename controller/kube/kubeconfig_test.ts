import { assertEquals, assertRejects } from "@std/assert";
import { kubeconfigAccess, KubeconfigError } from "./kubeconfig.ts";

/** A kubeconfig of two contexts in a file that goes away. */
class File implements AsyncDisposable {
  readonly path = Deno.makeTempFileSync({ suffix: ".yaml" });

  constructor(
    cluster: Record<string, unknown>,
    user: unknown = { token: "t" },
  ) {
    const named = (name: string) => ({
      name,
      context: {
        cluster: "c",
        user: "u",
        ...(name === "two" && { namespace: "n" }),
      },
    });
    Deno.writeTextFileSync(
      this.path,
      JSON.stringify({
        apiVersion: "v1",
        kind: "Config",
        "current-context": "one",
        contexts: [named("one"), named("two")],
        clusters: [{ name: "c", cluster }],
        users: [{ name: "u", user }],
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path);
  }
}

const SERVER = "https://127.0.0.1:6443/";

Deno.test("kubeconfigAccess() takes the current context, or the one that is named", async () => {
  await using file = new File({
    server: SERVER,
    "certificate-authority-data": btoa("PEM"),
  });
  const one = await kubeconfigAccess({ file: file.path });
  assertEquals([one.server, one.namespace], [
    "https://127.0.0.1:6443",
    "default",
  ]);
  const two = await kubeconfigAccess({ file: file.path, context: "two" });
  assertEquals(two.namespace, "n");
  assertEquals(await one.credentials(), {
    headers: { Authorization: "Bearer t" },
    caCert: "PEM",
    certificate: undefined,
  });
});

Deno.test("kubeconfigAccess() takes a client's certificate", async () => {
  await using file = new File({ server: SERVER }, {
    "client-certificate-data": btoa("CERT"),
    "client-key-data": btoa("KEY"),
  });
  const access = await kubeconfigAccess({ file: file.path });
  assertEquals((await access.credentials()).certificate, {
    cert: "CERT",
    key: "KEY",
  });
});

for (
  const { name, cluster, context, want } of [
    {
      name: "whose server is not to be verified",
      cluster: { server: SERVER, "insecure-skip-tls-verify": true },
      want: "insecure-skip-tls-verify",
    },
    {
      name: "whose certificate has another name",
      cluster: { server: SERVER, "tls-server-name": "x" },
      want: "tls-server-name",
    },
    {
      name: "without the context that is named",
      cluster: { server: SERVER },
      context: "three",
      want: 'context "three" names no cluster',
    },
  ]
) {
  Deno.test(`kubeconfigAccess() refuses a kubeconfig ${name}`, async () => {
    await using file = new File(cluster);
    await assertRejects(
      () => kubeconfigAccess({ file: file.path, context }),
      KubeconfigError,
      want,
    );
  });
}

Deno.test("kubeconfigAccess() names the file that it cannot read", async () => {
  await assertRejects(
    () => kubeconfigAccess({ file: "/nowhere/kubeconfig" }),
    KubeconfigError,
    "/nowhere/kubeconfig",
  );
});
