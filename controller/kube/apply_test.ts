import { assert, assertEquals, assertRejects } from "@std/assert";
import { FakeApi, memoryLog, refused } from "../../shared/kube/_testing.ts";
import { KubeError } from "../../shared/kube/kube_error.ts";
import { CONFIG_MAPS, type KubeObject } from "../../shared/kube/object.ts";
import { MANAGED_BY, MANAGED_BY_LABEL } from "../resources/groups.ts";
import {
  Applier,
  CONTENT_GENERATION,
  ForeignObjectError,
  ObjectTooLargeError,
} from "./apply.ts";

function wanted(value: string): KubeObject {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "a", namespace: "mcp" },
    data: { value },
  };
}

function setUp() {
  const api = new FakeApi();
  const applier = new Applier({ client: api, log: memoryLog() });
  const apply = (value: string, known = api.at("mcp/a")) =>
    applier.apply(CONFIG_MAPS, wanted(value), known);
  return { api, applier, apply };
}

function writes(api: FakeApi): number {
  return api.requests.filter((one) => /^(apply|delete)/.test(one)).length;
}

Deno.test("Applier makes what is not there, with the label that makes it ours", async () => {
  const { api, apply } = setUp();
  const { kind, object } = await apply("1");
  assertEquals(kind, "created");
  assertEquals(object.metadata.labels?.[MANAGED_BY_LABEL], MANAGED_BY);
  assertEquals(object.metadata.annotations?.[CONTENT_GENERATION], "1");
  assertEquals(api.requests, ["apply a"]);
});

Deno.test("Applier writes nothing where nothing changed, whatever it remembers", async () => {
  const { api, apply } = setUp();
  await apply("1");
  assertEquals((await apply("1")).kind, "unchanged");
  const other = new Applier({ client: api, log: memoryLog() });
  const again = await other.apply(CONFIG_MAPS, wanted("1"), api.at("mcp/a"));
  assertEquals(again.kind, "unchanged");
  assertEquals(writes(api), 1);
});

Deno.test("Applier counts changes of content", async () => {
  const { api, apply } = setUp();
  for (const value of ["1", "2", "2", "3"]) await apply(value);
  const { annotations } = api.at("mcp/a")!.metadata;
  assertEquals(annotations?.[CONTENT_GENERATION], "3");
});

Deno.test("Applier restores what somebody else has changed, though the hash is still there", async () => {
  const { api, apply } = setUp();
  const { object } = await apply("1");
  api.put({ ...object, data: { value: "forged" } });
  assertEquals((await apply("1")).kind, "changed");
  assertEquals(api.at("mcp/a")?.data, { value: "1" });
});

Deno.test("Applier does not fight a server that writes a value in another way", async () => {
  const { api, apply } = setUp();
  const put = api.put.bind(api);
  api.put = (object) =>
    put({ ...object, data: { value: "as the server writes" } });
  await apply("1");
  assertEquals((await apply("1")).kind, "unchanged");
  assertEquals(writes(api), 1);
});

Deno.test("Applier leaves alone what others have put beside its own", async () => {
  const { api, apply } = setUp();
  const { object } = await apply("1");
  api.put({
    ...object,
    status: { theirs: true },
    data: { value: "1", more: "" },
  });
  assertEquals((await apply("1")).kind, "unchanged");
});

Deno.test("Applier refuses an object that is not ours, after having looked again", async () => {
  const { api, apply } = setUp();
  api.put(wanted("theirs"));
  await assertRejects(
    () => apply("1"),
    ForeignObjectError,
    "Remedy: delete it",
  );
  assertEquals(api.requests, ["get a"]);
});

Deno.test("Applier takes an object that has become ours since it was heard of", async () => {
  const { api, apply } = setUp();
  const theirs = api.put(wanted("theirs"));
  const labels = { [MANAGED_BY_LABEL]: MANAGED_BY };
  api.put({ ...theirs, metadata: { ...theirs.metadata, labels } });
  assertEquals((await apply("1", theirs)).kind, "changed");
});

Deno.test("Applier makes anew what was deleted since it was heard of", async () => {
  const { api, apply } = setUp();
  const { object } = await apply("1");
  api.drop("mcp/a");
  assertEquals((await apply("2", object)).object.data, { value: "2" });
});

Deno.test("Applier writes again where only something else of the object changed", async () => {
  const { api, apply } = setUp();
  const { object } = await apply("1");
  api.put({ ...object, status: { theirs: true } });
  assertEquals((await apply("2", object)).kind, "changed");
  assertEquals(api.at("mcp/a")?.data, { value: "2" });
});

Deno.test("Applier undoes no content that it did not know of", async () => {
  const { api, apply } = setUp();
  const { object } = await apply("1");
  await apply("3");
  const error = await assertRejects(() => apply("2", object), KubeError);
  assertEquals(error.kind, "conflict");
  assertEquals(api.at("mcp/a")?.data, { value: "3" });
});

Deno.test("Applier finds that somebody else has written just that", async () => {
  const { api, apply } = setUp();
  const { object } = await apply("1");
  await apply("2");
  const other = new Applier({ client: api, log: memoryLog() });
  const late = await other.apply(CONFIG_MAPS, wanted("2"), object);
  assertEquals(late.kind, "unchanged");
});

Deno.test("Applier asks anew what is wanted of an object that another was faster to change", async () => {
  const { applier, apply } = setUp();
  const { object } = await apply("1");
  await apply("5");
  const after = await applier.apply(
    CONFIG_MAPS,
    (live) => wanted(`${live?.data?.value}+1`),
    object,
  );
  assertEquals(after.object.data, { value: "5+1" });
});

Deno.test("Applier gives up when another is always faster", async () => {
  const { api, applier, apply } = setUp();
  const { object } = await apply("1");
  api.beforeWrite = () => void api.put(api.at("mcp/a") ?? object);
  const error = await assertRejects(
    () => applier.apply(CONFIG_MAPS, () => wanted("2"), object),
    KubeError,
  );
  assertEquals(error.kind, "conflict");
  assert(writes(api) < 20);
});

Deno.test("Applier says how large an object is that is too large", async () => {
  const { api, apply } = setUp();
  api.refusals.push(refused(413));
  const error = await assertRejects(() => apply("1"), ObjectTooLargeError);
  assert(error.bytes > 100);
});

Deno.test("Applier.remove() deletes what is ours, and nothing else", async () => {
  const { api, applier, apply } = setUp();
  const { object } = await apply("1");
  await apply("2");
  assertEquals(await applier.remove(CONFIG_MAPS, object), true);
  assertEquals(api.at("mcp/a"), undefined);
  const theirs = api.put(wanted("theirs"));
  assertEquals(await applier.remove(CONFIG_MAPS, theirs), false);
  // Deleted and made by somebody else since.
  assertEquals(await applier.remove(CONFIG_MAPS, object), false);
  assert(api.at("mcp/a"));
});
