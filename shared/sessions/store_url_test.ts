import { assert, assertEquals, assertThrows } from "@std/assert";
import { checkStoreUrl, parseStoreUrl } from "./store_url.ts";

for (
  const { url, want } of [
    {
      url: "redis://redis.example",
      want: { host: "redis.example", port: 6379, tls: false, database: 0 },
    },
    {
      url: "redis://:secret@[::1]:7000/3\n",
      want: {
        host: "::1",
        port: 7000,
        tls: false,
        password: "secret",
        database: 3,
      },
    },
    {
      url: "rediss://me:a%3Ab@redis.example:6380/",
      want: {
        host: "redis.example",
        port: 6380,
        tls: true,
        username: "me",
        password: "a:b",
        database: 0,
      },
    },
  ]
) {
  Deno.test(`parseStoreUrl() reads ${JSON.stringify(url)}`, () => {
    assertEquals(parseStoreUrl(url), want);
    assertEquals(checkStoreUrl(url), undefined);
  });
}

for (
  const { name, url } of [
    { name: "another scheme", url: "http://:hunter2@redis.example" },
    { name: "no host", url: "redis://" },
    { name: "a database that is no number", url: "redis://:hunter2@host/x" },
    { name: "a query", url: "redis://:hunter2@host/?family=6" },
    { name: "an escape that is none", url: "redis://:hunter2%zz@host" },
    { name: "no URL", url: "hunter2" },
  ]
) {
  Deno.test(`parseStoreUrl() refuses ${name} without showing it`, () => {
    const { message } = assertThrows(() => parseStoreUrl(url), TypeError);
    assert(!message.includes("hunter2"));
    assertEquals(checkStoreUrl(url), message);
  });
}
