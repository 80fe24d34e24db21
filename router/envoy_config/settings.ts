/**
 * What the options of `envoy-config` mean: Envoy's own, and what is wrong with
 * them together. Pure.
 *
 * @module
 */

import type { TcpAddress } from "../../shared/address.ts";
import { STDIN } from "../../shared/config/read_config.ts";
import { areNamed } from "../../shared/envoy/cluster.ts";
import {
  type EnvoyOptions,
  envoyOptions,
  type UnderscoreHeaders,
} from "../../shared/envoy/options.ts";
import type { OptionValues } from "../../shared/options.ts";
import { type ENVOY_CONFIG_OPTIONS, parseAdmin, STDOUT } from "./options.ts";

/** Values of the options. */
export type EnvoyConfigValues = OptionValues<typeof ENVOY_CONFIG_OPTIONS>;

/** What the options say. */
export interface Settings {
  /** What Envoy's configuration depends on. */
  readonly envoy: EnvoyOptions;
  /** Where its admin interface is to listen; none where undefined. */
  readonly admin: TcpAddress | undefined;
}

/** What the options say, or every problem with them. */
export type SettingsResult =
  | { readonly ok: true; readonly settings: Settings }
  | { readonly ok: false; readonly problems: readonly string[] };

const UNDERSCORES: Readonly<
  Record<EnvoyConfigValues["underscoreHeaders"], UnderscoreHeaders>
> = { allow: "ALLOW", reject: "REJECT_REQUEST", drop: "DROP_HEADER" };

const NO_STREAMS = "with standard input or output: name a file with " +
  "--config and a directory with --out";

/** Whoever is on this machine may look, and end or change nothing. */
const ADMIN_PATHS = [
  "/certs",
  "/clusters",
  "/listeners",
  "/ready",
  "/server_info",
  "/stats",
];

/** Reads the options. */
export function readSettings(values: EnvoyConfigValues): SettingsResult {
  const { tlsCertificate: certificate, tlsKey: key, accessLog } = values;
  const problems: string[] = [];
  if ((certificate === undefined) !== (key === undefined)) {
    problems.push("Cannot use --tls-certificate without --tls-key: give both");
  }
  if (values.router.length === 0) {
    problems.push("Cannot do without --router: give one address at least");
  }
  if (values.broker.length === 0) {
    problems.push("Cannot do without --broker: give one address at least");
  }
  for (
    const [flag, addresses] of [
      ["--listen", [values.listen]],
      ["--router", values.router],
      ["--broker", values.broker],
    ] as const
  ) {
    if (addresses.some((a) => a.kind === "tcp" && a.port === 0)) {
      problems.push(`Cannot use ${flag} with port 0: name the port`);
    }
  }
  const streams = values.out === STDOUT || values.config === STDIN;
  if (values.watch && streams) {
    problems.push(`Cannot use --watch ${NO_STREAMS}`);
  }
  if (values.publish !== undefined) {
    if (streams) problems.push(`Cannot use --publish ${NO_STREAMS}`);
    if (values.publish === values.config) {
      problems.push(
        "Cannot use --publish with the file of --config: name another one, " +
          "which router and broker are given",
      );
    }
  }
  const admin = parseAdmin(values.admin);
  if ("problem" in admin) {
    problems.push(`Cannot use --admin: ${admin.problem}`);
    return { ok: false, problems };
  }
  if (problems.length > 0) return { ok: false, problems };
  const envoy = envoyOptions({
    listen: values.listen,
    routers: values.router,
    routersChange: !areNamed(values.router),
    brokers: values.broker,
    path: values.path,
    steering: values.steering,
    maxBodyBytes: values.maxBodyBytes,
    maxConnections: values.maxConnections,
    maxStreams: values.maxStreams,
    maxHeapBytes: values.maxHeapBytes,
    streamIdleSeconds: values.streamIdleSeconds,
    callIdleSeconds: values.callIdleSeconds,
    underscoreHeaders: UNDERSCORES[values.underscoreHeaders],
    systemCa: values.systemCa,
    adminPaths: ADMIN_PATHS,
    ...(accessLog === undefined ? {} : { accessLog }),
    ...(certificate === undefined || key === undefined
      ? {}
      : { tls: { certificate, key } }),
  });
  return { ok: true, settings: { envoy, admin: admin.address } };
}
