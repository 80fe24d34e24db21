import { assertEquals } from "@std/assert";
import { readBody, readRequestBody } from "./body.ts";

const MAX_BYTES = 8;

/** A body that comes a byte at a time, and declares nothing. */
function chunked(text: string): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    start(controller) {
      for (const byte of new TextEncoder().encode(text)) {
        controller.enqueue(Uint8Array.of(byte));
      }
      controller.close();
    },
  });
}

function request(
  body: BodyInit | null,
  declared?: string,
): Request {
  return new Request("http://gateway/mcp", {
    method: "POST",
    body,
    headers: declared === undefined ? {} : { "content-length": declared },
  });
}

const cases: readonly {
  readonly what: string;
  readonly request: () => Request;
  readonly want: string | undefined;
}[] = [
  { what: "nothing", request: () => request(null), want: "" },
  { what: "a body", request: () => request("12345678", "8"), want: "12345678" },
  {
    what: "a body in chunks",
    request: () => request(chunked("12345678")),
    want: "12345678",
  },
  {
    what: "no body that declares too much, nor touches it",
    request: () => request("1", "9"),
    want: undefined,
  },
  {
    what: "no body that turns out to be too large",
    request: () => request(chunked("123456789")),
    want: undefined,
  },
  {
    what: "no body that is larger than it declared",
    request: () => request("123456789", "1"),
    want: undefined,
  },
];

for (const { what, request, want } of cases) {
  Deno.test(`readRequestBody() reads ${what}`, async () => {
    const body = await readRequestBody(request(), MAX_BYTES);
    assertEquals(body && new TextDecoder().decode(body), want);
  });
}

Deno.test("readRequestBody() leaves a body that declares too much to its caller", async () => {
  const one = request("1", "9");
  await readRequestBody(one, MAX_BYTES);
  assertEquals(one.bodyUsed, false);
});

Deno.test("readBody() believes no declaration that is too small", async () => {
  assertEquals(await readBody(chunked("123456789"), "1", MAX_BYTES), undefined);
});
