import { assert, assertEquals } from "@std/assert";
import { scan } from "../../shared/jsonrpc/scanner.ts";
import { LOG_LEVELS, readLogLevel } from "./log_level.ts";

const CASES: readonly (readonly [params: string, want: string | undefined])[] =
  [
    ...LOG_LEVELS.map((level) => [`{"level":"${level}"}`, level] as const),
    ['{"_meta":{"level":"info"},"level":"\\u0069nfo"}', "info"],
    ['{"level":"Info"}', undefined],
    ['{"level":7}', undefined],
    ["{}", undefined],
    ["[]", undefined],
  ];
for (const [params, want] of CASES) {
  Deno.test(`readLogLevel() finds ${want} in ${params}`, () => {
    const body = new TextEncoder().encode(
      `{"jsonrpc":"2.0","id":1,"method":"logging/setLevel","params":${params}}`,
    );
    const request = scan(body);
    if (request.kind === "malformed") return assertEquals(want, undefined);
    assert(request.kind === "request");
    assertEquals(readLogLevel(body, request), want);
  });
}
