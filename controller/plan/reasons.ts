/**
 * Every reason that a condition can have, in one table, which documentation is
 * made from. Each is reached by a test. Pure.
 *
 * @module
 */

import type { ConditionStatus } from "../resources/condition.ts";

/** Types of the conditions that we write, in the order in which they build on each other. */
export const CONDITION_TYPES = [
  "Accepted",
  "ResolvedRefs",
  "Programmed",
  "Ready",
] as const;

/** Type of a condition that we write. */
export type ConditionType = typeof CONDITION_TYPES[number];

/** What a reason means. */
export interface ReasonEntry {
  /** Condition that it is about; those after it repeat it. */
  readonly condition: ConditionType;
  /** Status of that condition. */
  readonly status: ConditionStatus;
  /** What it means. */
  readonly meaning: string;
}

/** The table: by reason, what it is about and what it means. */
export const REASONS = {
  Accepted: {
    condition: "Accepted",
    status: "True",
    meaning: "The object is valid, ours, and has its place in a gateway.",
  },
  PartlyActedOn: {
    condition: "Accepted",
    status: "True",
    meaning:
      "As Accepted, but the message names fields that this version accepts and does not act on.",
  },
  NotSelected: {
    condition: "Accepted",
    status: "False",
    meaning:
      "The controller took the registration and does not any more: its labels are not those that it selects.",
  },
  Invalid: {
    condition: "Accepted",
    status: "False",
    meaning: "A field has a value that cannot be used; the message names it.",
  },
  UnsupportedTarget: {
    condition: "Accepted",
    status: "False",
    meaning: "targetRef names a kind other than the one that is supported.",
  },
  NoGatewayExtension: {
    condition: "Accepted",
    status: "False",
    meaning:
      "The route attaches to no Gateway that an MCPGatewayExtension makes an MCP gateway.",
  },
  ListenerMismatch: {
    condition: "Accepted",
    status: "False",
    meaning:
      "The route attaches to listeners that a request to the MCP listener cannot be routed to.",
  },
  NotAllowedByListener: {
    condition: "Accepted",
    status: "False",
    meaning: "The listener takes no routes from the route's namespace.",
  },
  RouteNotAccepted: {
    condition: "Accepted",
    status: "False",
    meaning:
      "The Gateway's controller does not accept the route; the message repeats why.",
  },
  RoutePending: {
    condition: "Accepted",
    status: "False",
    meaning:
      "The listener selects namespaces by label, and the Gateway's controller has not decided about the route yet.",
  },
  NoHostname: {
    condition: "Accepted",
    status: "False",
    meaning:
      "The route has no host of its own within the listener's that Envoy could route on.",
  },
  HostnameReserved: {
    condition: "Accepted",
    status: "False",
    meaning: "The route's host is the one that clients of the gateway use.",
  },
  HostnameTaken: {
    condition: "Accepted",
    status: "False",
    meaning:
      "An older route of another namespace serves that host on this Gateway.",
  },
  HostnameConflict: {
    condition: "Accepted",
    status: "False",
    meaning: "An older registration has that host.",
  },
  PrefixConflict: {
    condition: "Accepted",
    status: "False",
    meaning: "An older registration has that prefix.",
  },
  PrefixShadows: {
    condition: "Accepted",
    status: "False",
    meaning:
      "The prefix begins with that of an older registration of another namespace, and would take calls from it.",
  },
  NamespaceConflict: {
    condition: "Accepted",
    status: "False",
    meaning:
      "The namespace has an older MCPGatewayExtension; there can be one.",
  },
  ListenerConflict: {
    condition: "Accepted",
    status: "False",
    meaning:
      "An older MCPGatewayExtension serves MCP on that port of the Gateway.",
  },
  ListenerNotSupported: {
    condition: "Accepted",
    status: "False",
    meaning: "The listener speaks neither HTTP nor HTTPS.",
  },
  PublicHostMissing: {
    condition: "Accepted",
    status: "False",
    meaning: "Neither the listener nor publicHost says which host clients use.",
  },
  PublicHostMismatch: {
    condition: "Accepted",
    status: "False",
    meaning: "publicHost is not within the listener's hostname.",
  },
  ResolvedRefs: {
    condition: "ResolvedRefs",
    status: "True",
    meaning:
      "Everything that the object refers to is there and may be referred to.",
  },
  RefNotPermitted: {
    condition: "ResolvedRefs",
    status: "False",
    meaning:
      "A reference leads into another namespace, and no ReferenceGrant there allows it.",
  },
  TargetNotFound: {
    condition: "ResolvedRefs",
    status: "False",
    meaning: "What targetRef names is not there.",
  },
  ListenerNotFound: {
    condition: "ResolvedRefs",
    status: "False",
    meaning: "The Gateway has no listener of that name.",
  },
  RouteNotSupported: {
    condition: "ResolvedRefs",
    status: "False",
    meaning:
      "The route's rule has no or several backends, or changes the path.",
  },
  PathNotRouted: {
    condition: "ResolvedRefs",
    status: "False",
    meaning: "No rule of the route takes the registration's path.",
  },
  BackendNotFound: {
    condition: "ResolvedRefs",
    status: "False",
    meaning: "The route's backend is not there.",
  },
  BackendPortNotFound: {
    condition: "ResolvedRefs",
    status: "False",
    meaning: "The route's backend has no such port.",
  },
  BackendNotSupported: {
    condition: "ResolvedRefs",
    status: "False",
    meaning:
      "The route's backend is of a kind, or has a shape, that the gateway cannot reach.",
  },
  BackendNotPermitted: {
    condition: "ResolvedRefs",
    status: "False",
    meaning:
      "The route's backend leads to an address that tenants may not name: the node itself, link-local addresses, another namespace's Service by its DNS name.",
  },
  BackendNotResolved: {
    condition: "ResolvedRefs",
    status: "False",
    meaning:
      "The Gateway's controller cannot resolve the route's backend; the message repeats why.",
  },
  SecretNotFound: {
    condition: "ResolvedRefs",
    status: "False",
    meaning: "The Secret is not in the registration's namespace.",
  },
  SecretNotLabelled: {
    condition: "ResolvedRefs",
    status: "False",
    meaning: "The Secret is not labelled mcp.kuadrant.io/secret=true.",
  },
  SecretKeyNotFound: {
    condition: "ResolvedRefs",
    status: "False",
    meaning: "The Secret has no such entry.",
  },
  SecretInvalid: {
    condition: "ResolvedRefs",
    status: "False",
    meaning:
      "The Secret's entry cannot be the value of a header, or has no PEM certificate in it.",
  },
  SecretNotReadable: {
    condition: "ResolvedRefs",
    status: "False",
    meaning:
      "The controller may not read Secrets of the registration's namespace.",
  },
  Programmed: {
    condition: "Programmed",
    status: "True",
    meaning: "Every broker replica has it in force.",
  },
  Pending: {
    condition: "Programmed",
    status: "False",
    meaning: "A broker replica has not taken it yet.",
  },
  ConfigRefused: {
    condition: "Programmed",
    status: "False",
    meaning:
      "A broker replica refuses the configuration; the message repeats why.",
  },
  ConfigTooLarge: {
    condition: "Programmed",
    status: "False",
    meaning:
      "The configuration is larger than a ConfigMap can be; the last one that fitted stays.",
  },
  CredentialsTooLarge: {
    condition: "Programmed",
    status: "False",
    meaning:
      "The credentials are larger than a Secret can be; the last ones that fitted stay.",
  },
  NotOurs: {
    condition: "Programmed",
    status: "False",
    meaning:
      "An object that the controller should write was made by someone else, and is left alone.",
  },
  AttachmentKindMissing: {
    condition: "Programmed",
    status: "False",
    meaning:
      "The API server does not know the kind by which the router is attached to this Gateway.",
  },
  AttachByHand: {
    condition: "Programmed",
    status: "Unknown",
    meaning:
      "The Gateway's controller is none that the router can be attached to automatically.",
  },
  GatewayNotProgrammed: {
    condition: "Programmed",
    status: "False",
    meaning:
      "The Gateway's controller has not programmed the listener; the message repeats why.",
  },
  NoBrokerReport: {
    condition: "Programmed",
    status: "Unknown",
    meaning: "No broker replica is there to ask.",
  },
  BrokerUnreachable: {
    condition: "Programmed",
    status: "Unknown",
    meaning: "A broker replica cannot be asked.",
  },
  Ready: {
    condition: "Ready",
    status: "True",
    meaning: "Every broker replica lists it now.",
  },
  ServingPartly: {
    condition: "Ready",
    status: "True",
    meaning:
      "As Ready, but some of its names are left out or doubtful; the message says which.",
  },
  Degraded: {
    condition: "Ready",
    status: "True",
    meaning:
      "Listed as of before: the server falters, within the grace period.",
  },
  Disabled: {
    condition: "Ready",
    status: "False",
    meaning: "state is Disabled.",
  },
  Connecting: {
    condition: "Ready",
    status: "False",
    meaning: "A broker replica has not reached the server yet.",
  },
  ServerFailed: {
    condition: "Ready",
    status: "False",
    meaning:
      "A broker replica cannot reach the server; the message repeats why.",
  },
  ServerRefused: {
    condition: "Ready",
    status: "False",
    meaning:
      "The server speaks no revision, or lacks a capability, that the gateway needs.",
  },
  BrokerNotReady: {
    condition: "Ready",
    status: "False",
    meaning: "A broker replica does not take traffic yet.",
  },
  SelectsNothing: {
    condition: "Ready",
    status: "False",
    meaning: "None of the names that the virtual server selects is there.",
  },
} as const satisfies Readonly<Record<string, ReasonEntry>>;

/** A reason. */
export type Reason = keyof typeof REASONS;
