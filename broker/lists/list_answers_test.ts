import { assert, assertEquals } from "@std/assert";
import {
  config as gatewayConfig,
  server as serverConfig,
} from "../../shared/_testing.ts";
import { scan } from "../../shared/jsonrpc/scanner.ts";
import { KeyRing } from "../../shared/sessions/keys.ts";
import { itemsOf } from "../_testing/tools.ts";
import { CurrentCatalog } from "../catalog/current_catalog.ts";
import { KINDS, LIST_KINDS, type ListKind } from "../catalog/kinds.ts";
import { mergeCatalog } from "../catalog/merge.ts";
import { listAnswers, type ListClient } from "./list_answers.ts";
import { writeAnswer } from "../answer.ts";
import { answerRequest } from "../session_era/requests.ts";

const KEYS = new KeyRing(new Uint8Array(32).fill(1));
const LETTERS = ["a", "b", "c", "d", "e"];

/** Five of each kind, two a page; a virtual server sees three of the tools. */
const CATALOG = new CurrentCatalog({ items: 2, bytes: 1e6 });
{
  const config = gatewayConfig([serverConfig("s")], [
    { name: "v", tools: ["a", "b", "c"], prompts: [] },
  ]);
  const items = itemsOf({
    tools: LETTERS.map((name) => ({ name, inputSchema: { type: "object" } })),
    prompts: LETTERS.map((name) => ({ name })),
    resources: LETTERS.map((name) => ({ name, uri: name })),
    templates: LETTERS.map((name) => ({ name, uriTemplate: name })),
  });
  const list = { server: "s", listed: true, pending: false, items };
  CATALOG.replace(config, mergeCatalog(config, [list]));
}

function client(session = "s1", view = ""): ListClient {
  return { session, view: CATALOG.state!.views.get(view)! };
}

async function ask(method: string, params: unknown, from = client()) {
  const body = new TextEncoder().encode(
    JSON.stringify({ jsonrpc: "2.0", id: "n1", method, params }),
  );
  const request = scan(body);
  assert(request.kind === "request");
  const answer = await answerRequest(body, request, from, listAnswers(KEYS));
  return JSON.parse(
    new TextDecoder().decode(writeAnswer(request.id, answer)),
  );
}

for (const kind of LIST_KINDS) {
  const { method, member } = KINDS[kind];
  Deno.test(`${method} leads from page to page to the end`, async () => {
    const names: string[][] = [];
    let params = {};
    for (let more = true; more;) {
      const { id, result } = await ask(method, params);
      assertEquals(id, "n1");
      names.push(result[member].map(({ name }: { name: string }) => name));
      more = Object.hasOwn(result, "nextCursor");
      params = { cursor: result.nextCursor };
    }
    assertEquals(names, [["a", "b"], ["c", "d"], ["e"]]);
  });
}

async function cursorFor(kind: ListKind, from = client()): Promise<string> {
  const { result } = await ask(KINDS[kind].method, {}, from);
  return result.nextCursor;
}

const REFUSED: readonly {
  name: string;
  cursor: () => Promise<unknown> | unknown;
  message: string;
}[] = [
  { name: "garbage", cursor: () => "x", message: "unknown cursor" },
  { name: "empty text", cursor: () => "", message: "unknown cursor" },
  {
    name: "a number",
    cursor: () => 2,
    message: "params.cursor is not a string",
  },
  {
    name: "null",
    cursor: () => null,
    message: "params.cursor is not a string",
  },
  {
    name: "that of another list",
    cursor: () => cursorFor("prompts"),
    message: "unknown cursor",
  },
  {
    name: "that of another session",
    cursor: () => cursorFor("tools", client("s2")),
    message: "unknown cursor",
  },
  {
    name: "that of another view",
    cursor: () => cursorFor("tools", client("s1", "v")),
    message: "unknown cursor",
  },
];
for (const { name, cursor, message } of REFUSED) {
  Deno.test(`a list is refused whose cursor is ${name}`, async () => {
    assertEquals(await ask("tools/list", { cursor: await cursor() }), {
      jsonrpc: "2.0",
      id: "n1",
      error: { code: -32602, message: `Invalid params: ${message}` },
    });
  });
}

Deno.test("a list without cursor may have other params", async () => {
  const { result } = await ask("tools/list", { _meta: { cursor: 1 } });
  assertEquals(result.tools.length, 2);
});

Deno.test("what one client may not pass on is good for all it is meant for", async () => {
  const shared = { ...client("s1"), cursorsFor: "all" };
  const { result } = await ask("tools/list", {}, shared);
  const page = await ask("tools/list", { cursor: result.nextCursor }, {
    ...client("s2"),
    cursorsFor: "all",
  });
  assertEquals(page.result.tools.length, 2);
});

Deno.test("an era's own members stand behind the list and its cursor", async () => {
  const answer = await listAnswers(KEYS)(
    "tools",
    new Uint8Array(),
    {
      kind: "request",
      id: "1",
      method: "tools/list",
      span: { start: 0, end: 0 },
    },
    client("s1"),
    ',"x":1',
  );
  const { result } = JSON.parse(
    new TextDecoder().decode(writeAnswer("1", answer)),
  );
  assertEquals(Object.keys(result), ["tools", "nextCursor", "x"]);
});
