import { assertEquals } from "@std/assert";
import { acceptsGet, acceptsPost } from "./accept.ts";

for (
  const { accept, post, get } of [
    { accept: undefined, post: true, get: true },
    { accept: "application/json, text/event-stream", post: true, get: true },
    { accept: "Text/*;q=0.1 ,application/json", post: true, get: true },
    { accept: "*/*", post: true, get: true },
    { accept: "*/*;q=0", post: false, get: false },
    { accept: "application/json", post: false, get: false },
    { accept: "text/event-stream", post: false, get: true },
    {
      accept: "application/json, text/event-stream; q=0.0",
      post: false,
      get: false,
    },
    { accept: "text/event-streams, application/json", post: false, get: false },
    { accept: "", post: false, get: false },
  ]
) {
  Deno.test(`Accept of ${accept ?? "nothing said"}: a POST is ${post ? "" : "not "}taken, a GET is ${get ? "" : "not "}taken`, () => {
    assertEquals([acceptsPost(accept), acceptsGet(accept)], [post, get]);
  });
}
