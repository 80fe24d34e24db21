/**
 * What the brokers' replicas say, put together: whether each has a server or
 * virtual server in force, and lists it now. The worst of them decides. Pure.
 *
 * @module
 */

import type {
  NameConflict,
  ServerStatus,
  Status,
  VirtualServerStatus,
} from "../../shared/status.ts";
import type { McpGatewayExtension } from "../resources/mcp_gateway_extension.ts";
import { keyOf } from "../resources/meta.ts";
import { type Verdict, verdict } from "./obstacle.ts";
import type { ConfiguredServer } from "./output.ts";
import type { Reason } from "./reasons.ts";
import type { BrokerReport, World } from "./world.ts";

/** What the replicas say of one thing. */
export interface Readiness {
  /** Whether each has it in force. */
  readonly programmed: Verdict;
  /** Whether each lists it now. */
  readonly ready: Verdict;
  /** What the worst replica says of a server, or of a virtual one. */
  readonly facts?: Partial<ServerStatus>;
}

/** What one replica says. */
interface Opinion {
  readonly programmed: Reason;
  readonly ready: Reason;
  readonly message: string;
  readonly facts?: Partial<ServerStatus>;
}

/** From the worst to the best; what the worst replica says, counts. */
const WORST_FIRST: readonly Reason[] = [
  "ConfigRefused",
  "Pending",
  "ServerRefused",
  "ServerFailed",
  "Connecting",
  "BrokerNotReady",
  "SelectsNothing",
  "BrokerUnreachable",
  "Disabled",
  "Degraded",
  "ServingPartly",
  "Ready",
];

/** A replica's report, made ready to be asked about each of many servers. */
export interface IndexedReport extends BrokerReport {
  /** Its servers, by name. */
  readonly servers: ReadonlyMap<string, ServerStatus>;
  /** Its virtual servers, by name. */
  readonly virtualServers: ReadonlyMap<string, VirtualServerStatus>;
  /** What each server lost to others, by its name. */
  readonly hidden: ReadonlyMap<string, readonly NameConflict[]>;
}

/** Reports by `namespace/name` of the extension whose broker gave them. */
export type Reports = ReadonlyMap<string, readonly IndexedReport[]>;

/** Sorts reports by whom they are about. */
export function indexReports({ brokers }: World): Reports {
  const indexed = brokers.map((report): IndexedReport => ({
    ...report,
    servers: new Map(report.status?.servers.map((one) => [one.name, one])),
    virtualServers: new Map(
      report.status?.virtualServers?.map((one) => [one.name, one]),
    ),
    hidden: Map.groupBy(
      report.status?.conflicts ?? [],
      ({ hidden }) => hidden,
    ),
  }));
  return Map.groupBy(indexed, ({ extension }) => keyOf(extension));
}

/** Decides about one server of one gateway. */
export function serverReadiness(
  { server, place }: ConfiguredServer,
  reports: Reports,
): Readiness {
  const { name, backend: { url }, registration } = server;
  return together(reports, (status, { servers, hidden }) => {
    const found = servers.get(name);
    const inForce = found !== undefined && found.url === url &&
      found.hostname === place.hostname &&
      found.prefix === registration.prefix &&
      (found.state === "disabled") === (registration.state === "Disabled");
    if (!inForce) return waiting(status, name);
    return { ...opinionOf(found, hidden.get(name) ?? []), facts: found };
  }, place.served.extension);
}

function opinionOf(
  server: ServerStatus,
  conflicts: readonly NameConflict[],
): Omit<Opinion, "facts"> {
  const say = (ready: Reason, message: string) => ({
    programmed: "Programmed" as const,
    ready,
    message,
  });
  const { state, tools, lastError } = server;
  const why = lastError === undefined ? "" : `: ${lastError}`;
  switch (state) {
    case "ready": {
      const hidden = conflicts.map(({ kind, name, kept }) =>
        `${kind} ${name} is ${kept}'s`
      );
      const doubts = [...server.problems, ...hidden];
      return doubts.length === 0
        ? say("Ready", `lists its tools (${tools})`)
        : say(
          "ServingPartly",
          `lists its tools (${tools}), with doubts: ${
            shortened(doubts).join("; ")
          }`,
        );
    }
    case "degraded":
      return say("Degraded", `lists its tools (${tools}) as of before${why}`);
    case "connecting":
      return say("Connecting", `has not reached it yet${why}`);
    case "failed":
      return say(
        "ServerFailed",
        `cannot reach it${why}. See that it runs and speaks MCP at its path`,
      );
    case "refused":
      return say("ServerRefused", `refuses it${why}. Update the server`);
    case "disabled":
      return say("Disabled", "does not list it, as spec.state is Disabled");
    default:
      // A newer broker's word; what it means, we cannot say.
      return say("Connecting", `has it in state ${state satisfies never}`);
  }
}

/** Decides about one virtual server of one gateway. */
export function virtualReadiness(
  name: string,
  extension: McpGatewayExtension,
  reports: Reports,
): Readiness {
  return together(reports, (status, { virtualServers }) => {
    const found = virtualServers.get(name);
    if (found === undefined) return waiting(status, name);
    const { tools, prompts, problems } = found;
    const listed = `lists its tools (${tools}) and prompts (${prompts})`;
    const doubts = problems.length === 0
      ? ""
      : `: ${shortened(problems).join("; ")}`;
    const ready = tools + prompts === 0
      ? "SelectsNothing"
      : doubts === ""
      ? "Ready"
      : "ServingPartly";
    return {
      programmed: "Programmed",
      ready,
      message: `${listed}${doubts}`,
      facts: { tools, prompts },
    };
  }, extension);
}

/** Decides about a gateway as a whole. */
export function gatewayReadiness(
  extension: McpGatewayExtension,
  reports: Reports,
): Readiness {
  return together(reports, (status) => {
    const [problem] = status.configProblems;
    if (!status.ready) {
      return {
        programmed: problem === undefined ? "Programmed" : "ConfigRefused",
        ready: "BrokerNotReady",
        message: `does not take traffic${
          problem === undefined ? "" : `: ${problem}`
        }`,
      };
    }
    return {
      programmed: "Programmed",
      ready: "Ready",
      message: `takes traffic (servers: ${status.servers.length})`,
    };
  }, extension);
}

/** What a replica says that has another configuration than the one planned. */
function waiting(status: Status, name: string): Opinion {
  const [problem] = status.configProblems;
  return problem === undefined
    ? {
      programmed: "Pending",
      ready: "Pending",
      message: `has not taken ${name} as it is now`,
    }
    : {
      programmed: "ConfigRefused",
      ready: "ConfigRefused",
      message: `has not taken ${name}, as of its configuration: ${problem}`,
    };
}

function together(
  all: Reports,
  ask: (status: Status, report: IndexedReport) => Opinion,
  { meta }: McpGatewayExtension,
): Readiness {
  const reports = all.get(keyOf(meta)) ?? [];
  const own = `MCPGatewayExtension ${keyOf(meta)}`;
  if (reports.length === 0) {
    const none = verdict(
      "NoBrokerReport",
      `No broker replica of ${own} is there to ask. See that the gateway is deployed in namespace ${meta.namespace}`,
    );
    return { programmed: none, ready: none };
  }
  const opinions = reports.map((report) => {
    const { replica, status, error } = report;
    const opinion: Opinion = status === undefined
      ? {
        programmed: "BrokerUnreachable",
        ready: "BrokerUnreachable",
        message: `cannot be asked: ${error ?? "it did not answer"}`,
      }
      : ask(status, report);
    return { ...opinion, message: `Broker ${replica} ${opinion.message}` };
  });
  const rank = ({ ready }: Opinion) => WORST_FIRST.indexOf(ready);
  const worst = opinions.reduce((a, b) => rank(b) < rank(a) ? b : a);
  const inForce = worst.programmed === "Programmed"
    ? `Every broker replica of ${own} has it in force`
    : worst.message;
  // Without their number: a rollout is no news to each of 1,000 servers.
  const lists = worst.ready === "Ready"
    ? `Every broker replica of ${own} ${
      worst.message.replace(/^Broker \S+ /, "")
    }`
    : worst.message;
  return {
    programmed: verdict(worst.programmed, inForce),
    ready: verdict(worst.ready, lists),
    ...(worst.facts === undefined ? {} : { facts: worst.facts }),
  };
}

/** The worst of several gateways' verdicts. */
export function worstReadiness(
  several: readonly Readiness[],
): Readiness | undefined {
  const rank = ({ ready }: Readiness) =>
    ready.reason === "NoBrokerReport"
      ? WORST_FIRST.indexOf("BrokerUnreachable")
      : WORST_FIRST.indexOf(ready.reason);
  return several.toSorted((a, b) => rank(a) - rank(b))[0];
}

/** The first few of what may be many. */
function shortened(all: readonly string[]): readonly string[] {
  const most = 5;
  return all.length <= most
    ? all
    : [...all.slice(0, most), `and ${all.length - most} more`];
}
