/**
 * A network of a test file's own, in which any address of 10.96.0.0/16 can be
 * listened on, at any port, and any name be given to it: so the addresses and
 * names of a cluster are there without a cluster's network.
 *
 * The file is run twice. Outside, each test waits for what became of its
 * namesake; inside, in a network namespace (and one for mounts, and one for
 * processes: all of them end with the file), the tests run.
 *
 * @module
 */

import { LocalProcess } from "../../shared/local/processes.ts";
import { waitFor } from "../../shared/wait.ts";
import { PROJECT_DIR } from "../support/paths.ts";
import { proves, shared } from "../support/proves.ts";
import { NoToolsError } from "./_go_tools.ts";
import type { Availability } from "./_kube_tools.ts";

/** Names, inside, the file that outcomes are written to. */
const OUTCOMES = "TEST_NETWORK_OUTCOMES";
/** What is asked for, the least first: root has no need of a user namespace. */
const NAMESPACES: readonly (readonly string[])[] = [
  [],
  ["--user", "--map-root-user"],
].map((own) => [
  ...own,
  ...["--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"],
]);
const SET_UP = [
  "set -e",
  "ip link set lo up",
  "ip addr add 10.96.0.1/16 dev lo",
  'mount --bind "$1" /etc/hosts',
  "shift",
  'exec "$@"',
].join("\n");
/** Programs whose dependencies cannot be fetched inside. */
const PROGRAMS = ["router", "broker", "controller"].map((name) =>
  `${PROJECT_DIR}/${name}/main.ts`
);
/** From the start to the first outcome, and from each to the next. */
const PATIENCE_MS = 240_000;

/** Begins a line that is shown outside too. */
const MEASURED = "measured: ";

/** Tells how long something took, in milliseconds; never a reason to fail. */
export function measured(what: string, startedAt: number): void {
  const ms = Math.round(performance.now() - startedAt);
  console.log(`${MEASURED}${what}, ${ms} ms`);
}

/** Declares a test by the sentence it proves. */
export type ProvesInNetwork = (
  sentence: string,
  test: () => void | Promise<void>,
) => void;

/** What became of a test. */
interface Outcome {
  readonly sentence: string;
  readonly error?: string;
}

/** What a file declares its tests with. */
export interface OwnNetwork {
  /** Declares a test. */
  readonly proves: ProvesInNetwork;
  /** Owns what the tests share, inside. */
  readonly shared: typeof shared;
}

/** Gives names to addresses, in place of those that there were. */
export async function nameHosts(
  addresses: Readonly<Record<string, readonly string[]>>,
): Promise<void> {
  if (Deno.env.get(OUTCOMES) === undefined) {
    throw new Error("Cannot name hosts: this is the machine's own network");
  }
  const lines = Object.entries({ "127.0.0.1": ["localhost"], ...addresses })
    .map(([address, names]) => `${address} ${names.join(" ")}\n`);
  await Deno.writeTextFile("/etc/hosts", lines.join(""));
}

/**
 * Has a file's tests run in a network of their own.
 *
 * @param file The file: `import.meta.url`.
 * @param tools What the tests run on. Found here already, since nothing can be
 * fetched inside.
 * @returns What declares tests; they are left out where something is missing.
 * @throws {NoToolsError} In CI, where this machine gives no such network.
 */
export async function ownNetwork(
  file: string,
  tools: readonly Availability<unknown>[],
): Promise<OwnNetwork> {
  const outcomes = Deno.env.get(OUTCOMES);
  if (outcomes !== undefined) return { proves: inside(outcomes), shared };
  const missing = tools.find((one) => one.kind === "missing");
  if (missing !== undefined) return leftOut(missing.reason);
  const flags = await permitted();
  if (flags !== undefined) {
    return { proves: outside(file, flags), shared: ownedInside };
  }
  const error = new NoToolsError(
    "a network for tests",
    "unshare and ip cannot make one",
    "install util-linux and iproute2, and permit user namespaces or run as root",
  );
  if (Deno.env.get("CI") === "true") throw error;
  return leftOut(error.message);
}

function leftOut(reason: string): OwnNetwork {
  return {
    proves: (sentence) =>
      proves(`${sentence}: ${reason}`, () => {}, { ignore: true }),
    shared: ownedInside,
  };
}

function ownedInside(): () => never {
  return () => {
    throw new Error("Cannot use what is shared inside: this is outside");
  };
}

/** Runs each test, and writes down what became of it. */
function inside(outcomes: string): ProvesInNetwork {
  const write = (outcome: Outcome) =>
    Deno.writeTextFile(outcomes, `${JSON.stringify(outcome)}\n`, {
      append: true,
    });
  return (sentence, test) =>
    proves(sentence, async () => {
      try {
        await test();
      } catch (error) {
        await write({ sentence, error: `${error}` });
        throw error;
      }
      await write({ sentence });
    });
}

/** Starts the file inside, and waits for what becomes of each test. */
function outside(file: string, flags: readonly string[]): ProvesInNetwork {
  const owned = new AsyncDisposableStack();
  let failed = false;
  let started: { readonly process: LocalProcess; readonly outcomes: string };

  Deno.test.beforeAll(async () => {
    await cacheDependencies();
    const dir = await Deno.makeTempDir({ prefix: "network-test-" });
    owned.defer(() => Deno.remove(dir, { recursive: true }));
    const outcomes = `${dir}/outcomes`;
    await Deno.writeTextFile(outcomes, "");
    await Deno.writeTextFile(`${dir}/hosts`, "127.0.0.1 localhost\n");
    const process = owned.use(
      new LocalProcess({
        name: "the tests inside",
        command: "unshare",
        args: [
          ...[...flags, "sh", "-c", SET_UP, "sh", `${dir}/hosts`],
          ...[Deno.execPath(), "test", "-A", "--no-check", "--cached-only"],
          new URL(file).pathname,
        ],
        env: { [OUTCOMES]: outcomes, NO_COLOR: "1" },
        onLine: (line) => {
          if (line.startsWith(MEASURED)) console.log(line);
        },
        // It leaves SIGTERM to whom it runs; SIGKILL takes all with it.
        stopMs: 100,
      }),
    );
    await process.start();
    started = { process, outcomes };
  });
  Deno.test.afterAll(async () => {
    try {
      const { success } = await ended(started.process);
      if (success || failed) return;
      console.error(started.process.log.join("\n"));
      throw new Error(
        "The tests passed, and what they ran on did not end well",
      );
    } finally {
      await owned.disposeAsync();
    }
  });

  return (sentence, test) => {
    void test; // it runs inside
    Deno.test({
      name: sentence,
      fn: async () => {
        const outcome = await outcomeOf(sentence, started).catch((cause) => ({
          error: `${cause}`,
        }));
        if (outcome.error === undefined) return;
        if (!failed) console.error(started.process.log.join("\n"));
        failed = true;
        throw new Error(outcome.error);
      },
      sanitizeOps: false,
      sanitizeResources: false,
    });
  };
}

async function outcomeOf(
  sentence: string,
  { process, outcomes }: {
    readonly process: LocalProcess;
    readonly outcomes: string;
  },
): Promise<Outcome> {
  return await waitFor(async () => {
    const over = !process.running;
    const lines = (await Deno.readTextFile(outcomes)).split("\n").slice(0, -1);
    const found = lines.map((line): Outcome => JSON.parse(line))
      .find((outcome) => outcome.sentence === sentence);
    if (found === undefined && over) {
      throw new Error("The tests inside ended before this one was run");
    }
    return found;
  }, {
    what: `the outcome of "${sentence}"`,
    timeoutMs: PATIENCE_MS,
    intervalMs: 100,
  });
}

async function ended(process: LocalProcess): Promise<Deno.CommandStatus> {
  const timer = setTimeout(() => process.kill(), PATIENCE_MS);
  try {
    return await process.ended;
  } finally {
    clearTimeout(timer);
  }
}

/** The first flags with which a network can be had; undefined for none. */
async function permitted(): Promise<readonly string[] | undefined> {
  for (const flags of NAMESPACES) {
    try {
      const { success } = await new Deno.Command("unshare", {
        args: [...flags, "sh", "-c", SET_UP, "sh", "/etc/hosts", "true"],
        stdin: "null",
        stdout: "null",
        stderr: "null",
      }).output();
      if (success) return flags;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return undefined;
}

/** Inside there is no registry to fetch them from. */
async function cacheDependencies(): Promise<void> {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["cache", ...PROGRAMS],
    cwd: PROJECT_DIR,
    stdin: "null",
  }).output();
  if (success) return;
  throw new Error(
    `Cannot fetch what the programs need: ${new TextDecoder().decode(stderr)}`,
  );
}
