import { assertEquals } from "@std/assert";
import {
  acknowledgement,
  completion,
  listChanged,
  resourceUpdated,
} from "./frames.ts";

const KEY = "io.modelcontextprotocol/subscriptionId";

/** Edge cases: an id keeps its value and its type. */
const IDS = ["0", '"7"', "7", "9007199254740993", '"\\u0061"'];
for (const id of IDS) {
  Deno.test(`each message names the stream ${id}, as it was written`, () => {
    const params = new TextEncoder().encode('{"uri":"a:1"}');
    const messages = [
      acknowledgement(id, { lists: ["tools"], uris: [] }),
      listChanged(id, "tools"),
      resourceUpdated(id, params)!.message,
      completion(id, { x: 1 }),
    ];
    for (const message of messages) {
      assertEquals(message.includes(`{"${KEY}":${id}`), true, message);
      JSON.parse(message);
    }
  });
}

Deno.test("acknowledgement() says what is granted", () => {
  assertEquals(
    JSON.parse(acknowledgement("1", { lists: ["prompts"], uris: ["a:1"] })),
    {
      jsonrpc: "2.0",
      method: "notifications/subscriptions/acknowledged",
      params: {
        _meta: { [KEY]: 1 },
        notifications: {
          promptsListChanged: true,
          resourceSubscriptions: ["a:1"],
        },
      },
    },
  );
});

Deno.test("completion() is the response, complete, with its stream's id", () => {
  assertEquals(JSON.parse(completion('"x"', { server: "s" })), {
    jsonrpc: "2.0",
    id: "x",
    result: { resultType: "complete", _meta: { [KEY]: "x", server: "s" } },
  });
});

const UPDATES = [
  {
    name: "has no _meta",
    params: '{ "uri": "a:1", "big":9007199254740993}',
    want: `{"_meta":{"${KEY}":1}, "uri": "a:1", "big":9007199254740993}`,
  },
  {
    name: "has an empty _meta",
    params: '{"_meta":{ },"uri":"a:1"}',
    want: `{"_meta":{"${KEY}":1 },"uri":"a:1"}`,
  },
  {
    name: "has a _meta of its own",
    params: '{"uri":"a:1","_meta":{"x":1e400}}',
    want: `{"uri":"a:1","_meta":{"${KEY}":1,"x":1e400}}`,
  },
  {
    name: "names another stream",
    params: `{"uri":"a:1","_meta":{"x":0,"${KEY}":"theirs"}}`,
    want: `{"uri":"a:1","_meta":{"x":0,"${KEY}":1}}`,
  },
  {
    name: "has a _meta that is none",
    params: '{"uri":"a:1","_meta":null}',
    want: `{"uri":"a:1","_meta":{"${KEY}":1}}`,
  },
  { name: "names no resource", params: '{"url":"a:1"}', want: undefined },
  { name: "is a list", params: '["a:1"]', want: undefined },
  { name: "is no JSON", params: '{"uri":"a:1",}', want: undefined },
];
for (const { name, params, want } of UPDATES) {
  Deno.test(`resourceUpdated() of an update that ${name}`, () => {
    const update = resourceUpdated("1", new TextEncoder().encode(params));
    assertEquals(
      update,
      want === undefined ? undefined : {
        uri: "a:1",
        message:
          `{"jsonrpc":"2.0","method":"notifications/resources/updated","params":${want}}`,
      },
    );
  });
}
