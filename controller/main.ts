/**
 * The controller as a process: observes a cluster, plans, and, while it leads,
 * carries the plan out. Only here are its parts put together.
 *
 * | what happens | consequence |
 * |---|---|
 * | something observed changes, or a broker says something else | planned again |
 * | this replica begins to lead | planned again |
 * | it does not lead, or has not seen everything once | nothing is written |
 * | some of a plan cannot be carried out | the rest is, and that again later |
 * | many statuses are to be written | the next plan does not wait for them |
 * | SIGTERM | what is being written is finished, then the lease given back |
 *
 * @module
 */

import { runCommandLine } from "../shared/command_line.ts";
import { fetchAbortably } from "../shared/fetch_abortably.ts";
import { FencedError, KubeClient } from "../shared/kube/client.ts";
import { inClusterAccess } from "../shared/kube/in_cluster.ts";
import { HttpTransport, type KubeAccess } from "../shared/kube/transport.ts";
import { type Readiness, serveInternal } from "../shared/internal_server.ts";
import { type Lifecycle, runUntilSignal } from "../shared/lifecycle.ts";
import { createLogger, type Logger } from "../shared/log.ts";
import type { OptionValues } from "../shared/options.ts";
import { readyCommand } from "../shared/ready_command.ts";
import { addProcessMetrics, Metrics } from "../shared/telemetry.ts";
import { VERSION } from "../shared/version.ts";
import { waitOnTimer } from "../shared/wait_on_timer.ts";
import { carryOut } from "./carry_out.ts";
import { Applier } from "./kube/apply.ts";
import { EventRecorder } from "./kube/event_recorder.ts";
import { kubeconfigAccess } from "./kube/kubeconfig.ts";
import { LeaderElection } from "./kube/leader_election.ts";
import { WorkQueue } from "./kube/work_queue.ts";
import { BrokerPolls, type BrokerTarget } from "./observe/broker_polls.ts";
import { brokerTargets } from "./observe/broker_targets.ts";
import { Observer } from "./observe/observer.ts";
import { CONTROLLER_OPTIONS } from "./options.ts";
import { plan } from "./plan/plan.ts";
import { parseSelector } from "./plan/selector.ts";
import { StatusOutbox } from "./status_outbox.ts";
import { type PlanSettings, planSettings } from "./plan/world.ts";

type Options = OptionValues<typeof CONTROLLER_OPTIONS>;

/** What is done again and again, each beside the other: a plan is of everything. */
const PLAN = "plan";
const STATUSES = "statuses";

/** Milliseconds after which we look whether a status is as it should be. */
const STATUS_MS = 2_000;

/** What was done last. */
interface LastPlan {
  /** When, RFC 3339. */
  readonly at: string;
  /** Milliseconds that it took, brokers and writes included. */
  readonly durationMs: number;
  /** Servers in the configurations. */
  readonly servers: number;
  /** Objects that were written; statuses are counted apart. */
  readonly writes: number;
}

async function start(
  options: Options,
  life: Lifecycle,
  metrics: Metrics,
  log: Logger,
): Promise<void> {
  const access = await accessOf(options);
  const client = new KubeClient({ transport: new HttpTransport(access) });
  const settings = settingsOf(options);
  const brokerUrls = options.brokerStatusUrls.map(brokerUrl);
  const monotonic = () => performance.now();
  const common = { log, wait: waitOnTimer, random: Math.random };
  // A restart must not pass for a renewal, hence a random part.
  const identity = `${MACHINE}_${crypto.randomUUID()}`;

  const queue = new WorkQueue({
    work: (key, signal) =>
      unlessFenced(key === PLAN ? reconcile(signal) : sendStatuses(signal)),
    concurrency: 2,
    now: monotonic,
    ...common,
  });
  const replan = () => queue.add(PLAN);
  const election = new LeaderElection({
    client,
    namespace: options.leaseNamespace ?? access.namespace,
    name: options.leaseName,
    identity,
    onChange: (leads) => {
      if (leads) replan();
      else outbox.clear();
    },
    clocks: { monotonic, wall: Date.now },
    ...common,
  });
  const fenced = client.fenced(election);
  const observer = new Observer({
    client,
    home: access.namespace,
    settings,
    onChange: replan,
    onStatus: () => queue.addLater(PLAN, STATUS_MS),
    now: monotonic,
    ...common,
  });
  const polls = new BrokerPolls({
    targets: () => targetsOf(observer, brokerUrls, options),
    fetch: fetchAbortably,
    onChange: replan,
    active: () => election.canWrite && observer.settled,
    everyMs: options.brokerPollSeconds * 1000,
    wait: waitOnTimer,
  });
  const applier = new Applier({ client: fenced, log });
  const events = new EventRecorder({
    client: fenced,
    instance: identity,
    now: Date.now,
    monotonic,
    unique: () => crypto.randomUUID().replaceAll("-", ""),
    log,
  });
  const outbox = new StatusOutbox({ observer, client: fenced, events });
  let taken: ReadonlySet<string> = new Set();
  let last: LastPlan | undefined;
  let statusesWritten = 0;

  const reconcile = async (signal: AbortSignal): Promise<void> => {
    // Both are asked for again when they have changed.
    if (!observer.settled || !election.canWrite) return;
    const startedAt = monotonic();
    const brokers = await polls.reports(signal);
    const now = new Date().toISOString().replace(/\.\d+Z$/, "Z");
    const planned = plan(observer.world(now, brokers, taken));
    taken = planned.taken;
    try {
      const { writes } = await carryOut(planned, {
        ...{ observer, applier, signal },
        namespaces: settings.namespaces,
      });
      last = {
        at: now,
        durationMs: Math.round(monotonic() - startedAt),
        servers: planned.gateways.reduce((sum, one) => sum + one.servers, 0),
        writes,
      };
      if (writes > 0) log.info("plan carried out", { ...last });
    } finally {
      // Also of what could not be written.
      outbox.put(election.canWrite ? planned.statuses : [], now);
      if (outbox.size > 0) queue.add(STATUSES);
    }
  };

  const sendStatuses = async (signal: AbortSignal): Promise<void> => {
    const written = await outbox.send(signal);
    statusesWritten += written;
    if (written > 0) log.info("statuses written", { written });
  };

  addControllerMetrics(metrics, {
    ...{ queue, observer, election, events },
    statuses: () => ({ waiting: outbox.size, written: statusesWritten }),
  });
  const internal = serveInternal({
    address: options.internalListen,
    option: "--internal-listen",
    ready: (): Readiness => ({
      ready: observer.settled && !life.draining.aborted,
      reasons: reasonsOf(observer, life),
    }),
    status: () => ({
      version: VERSION,
      identity,
      leads: election.canWrite,
      leader: election.holder,
      settled: observer.settled,
      ...(last === undefined ? {} : { lastPlan: last }),
      queue: queue.counts,
      statuses: { waiting: outbox.size, written: statusesWritten },
      droppedEvents: events.dropped,
      watches: observer.health,
    }),
    metrics,
    onFailed: (error) => life.fail("internal listener failed", error),
    log,
  });

  const work = new AbortController();
  const office = new AbortController();
  const working = [
    queue.run(work.signal),
    observer.run(work.signal),
    polls.run(work.signal),
  ];
  const running = election.run(office.signal);
  // Nothing is written after the lease is given back.
  life.onDrain("work", async () => {
    work.abort();
    await Promise.all(working);
    await events.finish();
  });
  life.onDrain("lease", async () => {
    office.abort();
    await running;
    client.close();
  });
  life.onDrain("internal listener", () => internal.close());
}

/** Whoever leads now has planned already. */
async function unlessFenced(work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof FencedError)) throw error;
  }
}

/** First part of an identity, for people. */
const MACHINE = "mcp-gateway-controller";

function accessOf(options: Options): Promise<KubeAccess> {
  const { kubeconfig, kubeContext } = options;
  return kubeconfig === undefined
    ? inClusterAccess({
      host: options.kubeHost,
      port: options.kubePort,
      directory: options.serviceAccountDir,
      readTextFile: (path) => Deno.readTextFile(path),
    })
    : kubeconfigAccess({ file: kubeconfig, context: kubeContext });
}

function settingsOf(options: Options): PlanSettings {
  const { gatewayService: service } = options;
  return planSettings({
    selector: parseSelector(options.selector ?? ""),
    namespaces: new Set(options.namespace),
    clusterDomain: options.clusterDomain,
    router: { service, port: options.routerPort },
    broker: { service, port: options.brokerPort },
    path: options.path,
    maxBodyBytes: options.maxBodyBytes,
    allowLocalBackends: options.allowLocalBackends,
  });
}

function brokerUrl(text: string): URL {
  const url = URL.parse(text);
  if (url?.protocol === "http:" || url?.protocol === "https:") return url;
  throw new TypeError(
    `Cannot use --broker-status-urls: ${text} is no URL of http or https`,
  );
}

function targetsOf(
  observer: Observer,
  urls: readonly URL[],
  { brokerStatusPort }: Options,
): readonly BrokerTarget[] {
  return observer.extensions().flatMap((extension) =>
    urls.length > 0
      ? urls.map(({ host, origin }) => ({
        extension,
        replica: host,
        url: origin,
      }))
      : brokerTargets(
        extension,
        observer.endpointSlices(extension.namespace),
        brokerStatusPort,
      )
  );
}

function reasonsOf(observer: Observer, life: Lifecycle): readonly string[] {
  const problems = observer.health.flatMap(
    ({ kind, namespace, synced, problem }) => {
      const where = namespace === undefined ? kind : `${kind} in ${namespace}`;
      if (problem !== undefined) return [`${where}: ${problem}`];
      return synced ? [] : [`${where}: no answer yet`];
    },
  );
  return life.draining.aborted ? ["draining", ...problems] : problems;
}

function addControllerMetrics(
  metrics: Metrics,
  { queue, observer, election, events, statuses }: {
    readonly queue: WorkQueue;
    readonly observer: Observer;
    readonly election: LeaderElection;
    readonly events: EventRecorder;
    readonly statuses: () => {
      readonly waiting: number;
      readonly written: number;
    };
  },
): void {
  const leading = metrics.gauge(
    "mcp_gateway_controller_leading",
    "1 while this replica may write.",
  );
  const settled = metrics.gauge(
    "mcp_gateway_controller_settled",
    "1 once everything that is watched was seen.",
  );
  const watches = metrics.gauge(
    "mcp_gateway_controller_watches",
    "What is watched, by kind and how it is doing.",
    ["kind", "state"],
  );
  const waiting = metrics.gauge(
    "mcp_gateway_controller_plan_failing",
    "1 while the last plan could not be carried out.",
  );
  const attempts = counterOf(metrics.counter(
    "mcp_gateway_controller_plans_total",
    "Plans that were begun.",
  ));
  const failures = counterOf(metrics.counter(
    "mcp_gateway_controller_plan_failures_total",
    "Plans of which something could not be carried out.",
  ));
  const dropped = counterOf(metrics.counter(
    "mcp_gateway_controller_events_dropped_total",
    "Events that were not written: too many, or refused.",
  ));
  const unwritten = metrics.gauge(
    "mcp_gateway_controller_statuses_waiting",
    "Statuses that are not written yet.",
  );
  const written = counterOf(metrics.counter(
    "mcp_gateway_controller_statuses_written_total",
    "Statuses that were written.",
  ));
  metrics.onExpose(() => {
    leading.set(election.canWrite ? 1 : 0);
    settled.set(observer.settled ? 1 : 0);
    const { counts } = queue;
    waiting.set(counts.failing);
    attempts(counts.attempts);
    failures(counts.failures);
    dropped(events.dropped);
    unwritten.set(statuses().waiting);
    written(statuses().written);
    watches.clear();
    for (const { kind, ...health } of observer.health) {
      watches.labels({ kind, state: stateOf(health) }).inc();
    }
  });
}

function stateOf(
  { forbidden, absent, problem, synced }: {
    readonly forbidden: boolean;
    readonly absent: boolean;
    readonly problem?: string;
    readonly synced: boolean;
  },
): string {
  if (forbidden) return "forbidden";
  if (absent) return "absent";
  if (problem !== undefined) return "failing";
  return synced ? "following" : "starting";
}

/** Raises a counter to what somebody else has counted. */
function counterOf(
  counter: { readonly inc: (by: number) => void },
): (total: number) => void {
  let shown = 0;
  return (total) => {
    counter.inc(total - shown);
    shown = total;
  };
}

async function run(options: Options): Promise<number> {
  const log = createLogger({
    program: NAME,
    level: options.logLevel,
    format: options.logFormat,
  });
  const metrics = new Metrics();
  addProcessMetrics(metrics, {
    program: NAME,
    now: Date.now,
    memory: Deno.memoryUsage,
  });
  return await runUntilSignal({
    start: (life) => start(options, life, metrics, log),
    drainSeconds: options.drainSeconds,
    log,
  });
}

const NAME = "controller";

async function main(): Promise<number> {
  return await runCommandLine(
    {
      program: NAME,
      summary:
        "Configures the gateway from what Kubernetes says, and says there " +
        "what became of it",
      options: CONTROLLER_OPTIONS,
      commands: [readyCommand(CONTROLLER_OPTIONS.internalListen)],
      // Its configuration are objects of Kubernetes, checked by the API server.
      elsewhere: {
        check: "that of router or broker",
        "envoy-config": "that of the router",
      },
      run,
    },
    Deno.args,
    Deno.env,
  );
}

if (import.meta.main) Deno.exit(await main());
