import { assertEquals } from "@std/assert";
import {
  config as gatewayConfig,
  server as serverConfig,
} from "../../shared/_testing.ts";
import { toolBytes } from "../_testing/tools.ts";
import { CurrentCatalog } from "./current_catalog.ts";
import { NO_ITEMS } from "./kinds.ts";
import { mergeCatalog } from "./merge.ts";
import { serveCatalog } from "./serve.ts";

const CONFIG = gatewayConfig([serverConfig("a")]);
const NEVER = new AbortController().signal;

function put(catalog: CurrentCatalog, ...names: string[]): void {
  const list = {
    server: "a",
    listed: true,
    pending: false,
    items: { ...NO_ITEMS, tools: names.map((name) => toolBytes(name)) },
  };
  catalog.replace(CONFIG, mergeCatalog(CONFIG, [list]));
}

function ask(
  catalog: CurrentCatalog,
  headers: Record<string, string> = {},
  ending = NEVER,
): Promise<Response> {
  const request = new Request("http://broker.test/catalog", { headers });
  return serveCatalog(request, catalog, () => true, ending);
}

Deno.test("the catalog is served with its version", async () => {
  const catalog = new CurrentCatalog();
  put(catalog, "x");
  const response = await ask(catalog);
  const body = await response.json();
  assertEquals(response.headers.get("etag"), `"${body.version}"`);
  assertEquals(body.tools, { x: { server: "a", name: "x" } });
  assertEquals((await ask(catalog, { "if-none-match": '"old"' })).status, 200);
});

Deno.test("who knows the catalog waits for another one", async () => {
  const catalog = new CurrentCatalog();
  put(catalog, "x");
  const known = { "if-none-match": (await ask(catalog)).headers.get("etag")! };
  assertEquals((await ask(catalog, known)).status, 304);
  const waiting = ask(catalog, { ...known, prefer: "wait=60" });
  put(catalog, "x");
  put(catalog, "x", "y");
  const response = await waiting;
  assertEquals(response.status, 200);
  assertEquals(Object.keys((await response.json()).tools), ["x", "y"]);
});

Deno.test("who waits for another catalog is answered when the program ends", async () => {
  const catalog = new CurrentCatalog();
  put(catalog, "x");
  const ending = new AbortController();
  const etag = (await ask(catalog)).headers.get("etag")!;
  const waiting = ask(
    catalog,
    { "if-none-match": etag, prefer: "respond-async, wait=60" },
    ending.signal,
  );
  ending.abort();
  assertEquals((await waiting).status, 304);
});

Deno.test("a catalog that is not worth serving yet is 503", async () => {
  const catalog = new CurrentCatalog();
  assertEquals((await ask(catalog)).status, 503);
  put(catalog, "x");
  const response = await serveCatalog(
    new Request("http://broker.test/catalog"),
    catalog,
    () => false,
    NEVER,
  );
  assertEquals(response.status, 503);
  assertEquals(response.headers.get("retry-after"), "1");
});
