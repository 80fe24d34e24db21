import { assert, assertEquals } from "@std/assert";
import { formatAddress, parseAddress } from "./address.ts";

const readable: readonly { input: string; want: string }[] = [
  { input: "0.0.0.0:50051", want: "0.0.0.0:50051" },
  { input: "localhost:0", want: "localhost:0" },
  { input: "a-b.c_d:65535", want: "a-b.c_d:65535" },
  { input: "[::]:9090", want: "[::]:9090" },
  {
    input: "unix:/run/mcp-gateway/router.sock",
    want: "unix:/run/mcp-gateway/router.sock",
  },
  { input: "unix:///run/router.sock", want: "unix:/run/router.sock" },
];

for (const { input, want } of readable) {
  Deno.test(`parseAddress() reads ${input}, formatAddress() writes ${want}`, () => {
    const parsed = parseAddress(input);
    assert(parsed.ok);
    assertEquals(formatAddress(parsed.address), want);
    assertEquals(parseAddress(want), parsed);
  });
}

const unreadable: readonly { input: string; want: RegExp }[] = [
  { input: "", want: /HOST:PORT/ },
  { input: "8080", want: /HOST:PORT/ },
  { input: ":8080", want: /HOST:PORT/ },
  { input: "a:", want: /HOST:PORT/ },
  { input: "a:+1", want: /HOST:PORT/ },
  { input: "a:65536", want: /port from 0 to 65535/ },
  { input: "::1:80", want: /HOST:PORT/ },
  { input: "[1.2]:80", want: /IPv6/ },
  { input: "http://a:80", want: /HOST:PORT/ },
  { input: "a:80/", want: /HOST:PORT/ },
  { input: "unix:run/x", want: /absolute path/ },
  { input: "unix:", want: /absolute path/ },
  { input: `unix:/${"x".repeat(107)}`, want: /at most 107 bytes/ },
];

for (const { input, want } of unreadable) {
  Deno.test(`parseAddress() refuses ${JSON.stringify(input.slice(0, 20))}`, () => {
    const parsed = parseAddress(input);
    assert(!parsed.ok);
    assert(want.test(parsed.problem), parsed.problem);
  });
}
