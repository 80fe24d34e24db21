import { assertEquals } from "@std/assert";
import { type RefusalKind, replyToRefusal } from "./errors.ts";

const BY_ERA: readonly {
  readonly kind: RefusalKind;
  readonly session: readonly [status: number, code: number];
  readonly stateless: readonly [status: number, code: number];
}[] = [
  {
    kind: "unsupported revision",
    session: [400, -32600],
    stateless: [400, -32022],
  },
  { kind: "unknown method", session: [200, -32601], stateless: [404, -32601] },
  {
    kind: "unknown resource",
    session: [200, -32002],
    stateless: [200, -32602],
  },
  { kind: "unknown tool", session: [200, -32602], stateless: [200, -32602] },
];
for (const { kind, ...wanted } of BY_ERA) {
  for (const era of ["session", "stateless"] as const) {
    Deno.test(`replyToRefusal() answers "${kind}" as the ${era} era has it`, () => {
      const { status, body } = replyToRefusal({ kind }, "1", era);
      assertEquals([status, JSON.parse(body).error.code], wanted[era]);
    });
  }
}

Deno.test("replyToRefusal() names POST alone to the stateless era", () => {
  const { headers } = replyToRefusal(
    { kind: "method not allowed" },
    null,
    "stateless",
  );
  assertEquals(new Map(headers).get("allow"), "POST");
});
