import { assertEquals } from "@std/assert";
import { at, options } from "./_testing.ts";
import { listener } from "./listener.ts";
import { routeConfiguration } from "./route.ts";

const CHAIN =
  "filter_chains.0.filters.0.typed_config.http_filters.1.typed_config";
const TWO = [
  { kind: "tcp", host: "127.0.0.1", port: 1 },
  { kind: "tcp", host: "127.0.0.1", port: 2 },
] as const;
/** Reasons for which nothing can have been sent. */
const NEVER_SENT = "connect-failure,refused-stream,reset-before-request";

for (
  const { name, policy } of [
    {
      name: "a message for the router",
      policy: (given: object) =>
        at(
          listener(options(given), { rds: "rds.json", sds: "sds.json" }),
          `${CHAIN}.grpc_service.retry_policy`,
        ),
    },
    {
      name: "a request for the broker",
      policy: (given: object) =>
        at(
          routeConfiguration([], options(given)),
          "virtual_hosts.0.routes.0.route.retry_policy",
        ),
    },
  ]
) {
  Deno.test(`${name} is tried at another process where it reached none`, () => {
    const given = { routers: TWO, brokers: TWO };
    assertEquals(at(policy(given), "retry_on"), NEVER_SENT);
    assertEquals(
      at(policy(given), "retry_host_predicate.0.name"),
      "envoy.retry_host_predicates.previous_hosts",
    );
  });

  Deno.test(`${name} is tried once where there is one process`, () => {
    assertEquals(policy({}), undefined);
  });
}
