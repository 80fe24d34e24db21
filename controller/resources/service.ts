/**
 * What routes lead to: Service, and Envoy Gateway's Backend. Pure.
 *
 * @module
 */

import type { Fields } from "./fields.ts";
import type { Finding } from "./finding.ts";
import type { Meta } from "./meta.ts";

/** A port of a Service. */
export interface ServicePort {
  /** Its name, "" for none. */
  readonly name: string;
  /** The port. */
  readonly port: number;
  /** What is spoken there, where said, lower case. */
  readonly appProtocol?: string;
}

/** A Service. */
export interface Service {
  /** Tells the kinds of resources apart. */
  readonly kind: "Service";
  /** Its metadata. */
  readonly meta: Meta;
  /** The DNS name that it stands for, of an ExternalName Service. */
  readonly externalName?: string;
  /** Its ports. */
  readonly ports: readonly ServicePort[];
  /** What cannot be used. */
  readonly findings: readonly Finding[];
}

/** A place of a Backend. */
export interface BackendEndpoint {
  /** DNS name or IP address. */
  readonly host: string;
  /** Port. */
  readonly port: number;
}

/** Envoy Gateway's Backend. */
export interface Backend {
  /** Tells the kinds of resources apart. */
  readonly kind: "Backend";
  /** Its metadata. */
  readonly meta: Meta;
  /** Its places; those of other kinds than TCP are left out. */
  readonly endpoints: readonly BackendEndpoint[];
  /** Number of places written, of any kind. */
  readonly written: number;
  /** TLS is spoken there. */
  readonly tls: boolean;
  /** What cannot be used. */
  readonly findings: readonly Finding[];
}

/** Reads a Service. */
export function readService(
  object: Fields,
  meta: Meta,
  findings: Finding[],
): Service {
  const spec = object.child("spec");
  const external = spec?.text("type") === "ExternalName"
    ? spec.text("externalName")
    : undefined;
  return {
    kind: "Service",
    meta,
    ...(external ? { externalName: external.toLowerCase() } : {}),
    ports: (spec?.children("ports") ?? []).map((one) => {
      const appProtocol = one.text("appProtocol")?.toLowerCase();
      return {
        name: one.text("name") ?? "",
        port: one.integer("port") ?? 0,
        ...(appProtocol ? { appProtocol } : {}),
      };
    }),
    findings,
  };
}

/** Reads a Backend. */
export function readBackend(
  object: Fields,
  meta: Meta,
  findings: Finding[],
): Backend {
  const spec = object.child("spec");
  const endpoints = spec?.children("endpoints") ?? [];
  return {
    kind: "Backend",
    meta,
    endpoints: endpoints.flatMap((one) => {
      const fqdn = one.child("fqdn");
      const ip = one.child("ip");
      const host = fqdn?.text("hostname") ?? ip?.text("address");
      const port = (fqdn ?? ip)?.integer("port");
      return host === undefined || port === undefined
        ? []
        : [{ host: host.toLowerCase(), port }];
    }),
    written: endpoints.length,
    tls: spec?.value("tls") !== undefined,
    findings,
  };
}
