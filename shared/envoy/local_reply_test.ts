import { assert, assertEquals } from "@std/assert";
import { at } from "./_testing.ts";
import { localReplies } from "./local_reply.ts";

const mappers = localReplies().mappers as readonly unknown[];
const EXPRESSION = "filter.extension_filter.typed_config.expression";
const BODY = "body_format_override.text_format_source.inline_string";

Deno.test("localReplies() writes JSON-RPC errors in JSON", () => {
  assert(mappers.length > 5);
  for (const mapper of mappers) {
    const body = JSON.parse(String(at(mapper, BODY)).replaceAll("%%", "%"));
    assertEquals(body.jsonrpc, "2.0");
    assertEquals(body.id, null);
    assert(Number.isInteger(body.error.code));
    assertEquals(
      at(mapper, "body_format_override.content_type"),
      "application/json",
    );
  }
});

Deno.test("localReplies() leaves alone what the router has written", () => {
  for (const mapper of mappers) {
    const expression = String(at(mapper, EXPRESSION));
    assert(
      expression.startsWith(
        '!(response.code_details == "" || response.code_details.startsWith("mcp"))',
      ),
      expression,
    );
  }
});

Deno.test("localReplies() never changes a status: the router decides by it", () => {
  for (const mapper of mappers) {
    assertEquals(at(mapper, "status_code"), undefined);
  }
});

Deno.test("localReplies() ends with words for everything else", () => {
  const last = mappers.at(-1);
  assert(!String(at(last, EXPRESSION)).includes("&&"));
  assert(String(at(last, BODY)).includes("Internal error"));
});
