import { assertEquals, assertThrows } from "@std/assert";
import { at, options } from "../../shared/envoy/_testing.ts";
import { listenerDiscovery } from "../../shared/envoy/config.ts";
import { withoutProcessor } from "./envoy_beside.ts";

const lds = JSON.stringify(
  listenerDiscovery(options(), { rds: "/x/rds.json", sds: "/x/sds.json" }, "1"),
);
const filters = (text: string) =>
  at(
    JSON.parse(text),
    "resources.0.filter_chains.0.filters.0.typed_config.http_filters",
  ) as { readonly name: string }[];

Deno.test("withoutProcessor() leaves every other filter", () => {
  assertEquals(
    filters(withoutProcessor(lds)).map(({ name }) => name),
    filters(lds).map(({ name }) => name).filter((name) =>
      name !== "envoy.filters.http.ext_proc"
    ),
  );
});

Deno.test("withoutProcessor() where there is none is an error", () => {
  assertThrows(
    () => withoutProcessor(withoutProcessor(lds)),
    Error,
    "there are 0",
  );
});
