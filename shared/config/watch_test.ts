import { assert, assertEquals, assertMatch } from "@std/assert";
import fc from "fast-check";
import type { Logger } from "../log.ts";
import type { ConfigProblem, GatewayConfig } from "./model.ts";
import { formatProblem } from "./parse.ts";
import {
  type ConfigWatch,
  watchConfig,
  type WatchIo,
  type WatchOptions,
} from "./watch.ts";

/** Far more than anything here takes. */
const DEADLINE_MS = 10_000;

/** A log that keeps its records as `LEVEL MESSAGE DETAIL`. */
function memoryLog(lines: string[]): Logger {
  const write = (level: string) => (message: string, fields = {}) => {
    lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
  };
  const log: Logger = {
    debug: write("debug"),
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
    with: () => log,
  };
  return log;
}

function configText(...names: string[]): string {
  const servers = names.map((name) =>
    `  - name: ${name}\n    url: http://${name}.example/mcp\n    prefix: ${name}_\n`
  );
  return names.length === 0 ? "servers: []\n" : `servers:\n${servers.join("")}`;
}

function namesOf(config: GatewayConfig | undefined): string {
  return config?.servers.map((server) => server.name).join() ?? "none";
}

/** A watch whose states can be waited for. */
class Observed implements AsyncDisposable {
  readonly log: string[] = [];
  readonly changes: string[] = [];
  readonly reports: (readonly ConfigProblem[])[] = [];
  readonly #stop = new AbortController();
  readonly #waiting = new Set<() => void>();
  #watch: ConfigWatch | undefined;

  async start(
    file: string,
    options: Partial<WatchOptions> = {},
  ): Promise<this> {
    this.#watch = await watchConfig({
      file,
      signal: this.#stop.signal,
      log: memoryLog(this.log),
      onChange: (config) => {
        this.changes.push(namesOf(config));
        this.#tell();
      },
      onProblems: (problems) => {
        this.reports.push(problems);
        this.#tell();
      },
      ...options,
    });
    return this;
  }

  get watch(): ConfigWatch {
    assert(this.#watch);
    return this.#watch;
  }

  get inForce(): string {
    return namesOf(this.#watch?.state.config);
  }

  get problems(): string {
    return this.#watch?.state.problems.map(formatProblem).join("\n") ?? "";
  }

  #tell() {
    // In a microtask: the state is complete once the callback has returned.
    for (const wake of this.#waiting) queueMicrotask(wake);
  }

  /** Waits until something holds. */
  async until(what: string, holds: () => boolean): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const look = () => holds() && resolve();
    const late = setTimeout(
      () => reject(new Error(`not in time: ${what}\n${this.log.join("\n")}`)),
      DEADLINE_MS,
    );
    this.#waiting.add(look);
    look();
    try {
      await promise;
    } finally {
      clearTimeout(late);
      this.#waiting.delete(look);
    }
  }

  async [Symbol.asyncDispose]() {
    this.#stop.abort();
    await this.#watch?.done;
  }
}

/** A directory that goes away with the test. */
class TempDirectory implements AsyncDisposable {
  readonly path = Deno.makeTempDirSync({ prefix: "config_watch_" });
  get file(): string {
    return `${this.path}/config.yaml`;
  }
  async [Symbol.asyncDispose]() {
    await Deno.remove(this.path, { recursive: true });
  }
}

/** Polling so seldom that only announced changes are seen in time. */
const NO_POLL = { pollMs: 10 * DEADLINE_MS };

/** Ways in which a file comes to have another content. */
const WRITES: { name: string; write: (file: string, text: string) => void }[] =
  [
    {
      name: "an in-place write",
      write: (file, text) => Deno.writeTextFileSync(file, text),
    },
    {
      name: "a rename over it",
      write: (file, text) => {
        Deno.writeTextFileSync(`${file}.new`, text);
        Deno.renameSync(`${file}.new`, file);
      },
    },
    {
      name: "removal and return",
      write: (file, text) => {
        Deno.removeSync(file);
        Deno.writeTextFileSync(file, text);
      },
    },
    {
      name: "a write in small pieces",
      write: (file, text) => {
        using open = Deno.openSync(file, { write: true, truncate: true });
        for (const byte of new TextEncoder().encode(text)) {
          open.writeSync(Uint8Array.of(byte));
        }
      },
    },
  ];
for (const { name, write } of WRITES) {
  Deno.test(`watchConfig() sees ${name}`, async () => {
    await using directory = new TempDirectory();
    Deno.writeTextFileSync(directory.file, configText("a"));
    await using observed = await new Observed().start(directory.file, NO_POLL);
    assertEquals(observed.inForce, "a");
    write(directory.file, configText("a", "b"));
    await observed.until("a,b", () => observed.inForce === "a,b");
    write(directory.file, configText("b"));
    await observed.until("b", () => observed.inForce === "b");
    assertEquals(observed.changes, ["a", "a,b", "b"]);
    assertEquals(observed.reports.flat(), []);
  });
}

Deno.test("watchConfig() sees Kubernetes swap the directory behind ..data", async () => {
  await using directory = new TempDirectory();
  const { path, file } = directory;
  const swap = (version: string, text: string) => {
    Deno.mkdirSync(`${path}/..${version}`);
    Deno.writeTextFileSync(`${path}/..${version}/config.yaml`, text);
    Deno.symlinkSync(`..${version}`, `${path}/..data_tmp`);
    Deno.renameSync(`${path}/..data_tmp`, `${path}/..data`);
  };
  swap("1", configText("a"));
  Deno.symlinkSync("..data/config.yaml", file);
  await using observed = await new Observed().start(file, NO_POLL);
  assertEquals(observed.inForce, "a");
  swap("2", configText("b"));
  Deno.removeSync(`${path}/..1`, { recursive: true });
  await observed.until("b", () => observed.inForce === "b");
  assertEquals(observed.changes, ["a", "b"]);
});

Deno.test("watchConfig() waits for a file that is not there yet", async () => {
  await using directory = new TempDirectory();
  await using observed = await new Observed().start(directory.file, NO_POLL);
  assertEquals(observed.watch.state.config, undefined);
  assertMatch(observed.problems, /no such file/);
  Deno.writeTextFileSync(directory.file, configText("a"));
  await observed.until("a", () => observed.inForce === "a");
  assertEquals(observed.problems, "");
});

Deno.test("watchConfig() keeps the last good one while the file is gone", async () => {
  await using directory = new TempDirectory();
  Deno.writeTextFileSync(directory.file, configText("a"));
  await using observed = await new Observed().start(directory.file, NO_POLL);
  const { config } = observed.watch.state;
  Deno.removeSync(directory.file);
  await observed.until("gone", () => /no such file/.test(observed.problems));
  assert(observed.watch.state.config === config);
  Deno.writeTextFileSync(directory.file, configText("a"));
  await observed.until("back", () => observed.problems === "");
  assert(observed.watch.state.config === config);
  assertEquals(observed.changes, ["a"]);
});

Deno.test("watchConfig() finds a directory that is replaced by polling, and watches the new one", async () => {
  await using directory = new TempDirectory();
  const inner = `${directory.path}/inner`;
  const file = `${inner}/config.yaml`;
  await using observed = await new Observed().start(file, { pollMs: 200 });
  assertEquals(observed.inForce, "none");
  for (const name of ["a", "b", "c"]) {
    Deno.mkdirSync(inner);
    Deno.writeTextFileSync(file, configText(name));
    await observed.until(name, () => observed.inForce === name);
    Deno.removeSync(inner, { recursive: true });
    await observed.until("gone", () => /no such file/.test(observed.problems));
  }
  assertEquals(observed.changes, ["a", "b", "c"]);
});

Deno.test("watchConfig() reports a broken file in full and keeps the last good one", async () => {
  await using directory = new TempDirectory();
  Deno.writeTextFileSync(directory.file, configText("a"));
  await using observed = await new Observed().start(directory.file, NO_POLL);
  Deno.writeTextFileSync(
    directory.file,
    "servers:\n- name: broker\n  url: nowhere\n",
  );
  await observed.until("refused", () => observed.problems !== "");
  assertEquals(observed.inForce, "a");
  const { version } = observed.watch.state.config ?? {};
  assertEquals(
    observed.log.filter((line) => line.includes("refused")).length,
    2,
  );
  assert(
    observed.log.some((line) =>
      line.includes("configuration kept") && line.includes(String(version))
    ),
  );
  Deno.writeTextFileSync(directory.file, configText("b"));
  await observed.until("b", () => observed.inForce === "b");
  assertEquals(observed.problems, "");
});

/**
 * One file and a clock, both simulated: the content is a function of the time,
 * and time passes only while the watch sleeps.
 */
class Simulation {
  now = 0;
  readonly observed = new Observed();
  readonly #timeline: { at: number; text: string | undefined }[] = [];
  readonly #sleepers = new Set<{ at: number; wake: () => void }>();
  /** Tells the newest watch of the directory that something changed. */
  announce: (() => void) | undefined;

  /** From a time on, the file has another content; undefined: it is gone. */
  write(at: number, text: string | undefined): void {
    this.#timeline.push({ at, text });
  }

  readonly io: WatchIo = {
    readTextFile: () => {
      const text = this.#timeline.findLast(({ at }) => at <= this.now)?.text;
      return text === undefined
        ? Promise.reject(new Deno.errors.NotFound("simulated"))
        : Promise.resolve(text);
    },
    watchDirectory: () => {
      let closed = false;
      let wake = () => {};
      this.announce = () => wake();
      return {
        close: () => {
          closed = true;
          wake();
        },
        async *[Symbol.asyncIterator]() {
          while (!closed) {
            await new Promise<void>((resolve) => wake = resolve);
            if (!closed) yield undefined;
          }
        },
      };
    },
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal.aborted) return resolve();
        const sleeper = {
          at: this.now + ms,
          wake: () => {
            this.#sleepers.delete(sleeper);
            resolve();
          },
        };
        this.#sleepers.add(sleeper);
        signal.addEventListener("abort", sleeper.wake, { once: true });
      }),
  };

  async start(options: Partial<WatchOptions> = {}): Promise<void> {
    await this.observed.start("config.yaml", { io: this.io, ...options });
    await settled();
  }

  /** Lets time pass, waking sleepers and announcing writes as it goes. */
  async pass(ms: number): Promise<void> {
    const end = this.now + ms;
    while (true) {
      const times = [
        ...[...this.#sleepers].map(({ at }) => at),
        ...this.#timeline.map(({ at }) => at).filter((at) => at > this.now),
      ].filter((at) => at <= end);
      if (times.length === 0) break;
      const before = this.now;
      this.now = Math.min(...times);
      const written = this.#timeline.some(({ at }) =>
        at > before && at <= this.now
      );
      if (written) this.announce?.();
      for (const sleeper of [...this.#sleepers]) {
        if (sleeper.at <= this.now) sleeper.wake();
      }
      await settled();
    }
    this.now = end;
  }

  async [Symbol.asyncDispose]() {
    await this.observed[Symbol.asyncDispose]();
  }
}

/** Runs whatever can run without time passing. */
async function settled(): Promise<void> {
  for (let i = 0; i < 40; i++) await Promise.resolve();
}

Deno.test("watchConfig() does not report what a valid content soon replaces", async () => {
  await using simulation = new Simulation();
  const { observed } = simulation;
  simulation.write(0, configText("a"));
  await simulation.start();
  simulation.write(100, "");
  simulation.write(130, "servers: [");
  simulation.write(300, configText("b"));
  await simulation.pass(1000);
  assertEquals(observed.inForce, "b");
  assertEquals(observed.reports.flat(), []);
  assertEquals(observed.changes, ["a", "b"]);
});

Deno.test("watchConfig() takes a change into force within 200 ms", async () => {
  await using simulation = new Simulation();
  simulation.write(0, configText("a"));
  await simulation.start();
  simulation.write(1000, configText("b"));
  await simulation.pass(1200);
  assertEquals(simulation.observed.inForce, "b");
});

Deno.test("watchConfig() debounces a burst into one change", async () => {
  await using simulation = new Simulation();
  simulation.write(0, configText("a"));
  await simulation.start();
  for (let i = 0; i < 15; i++) {
    simulation.write(100 + 20 * i, configText("b", `c${i}`));
  }
  await simulation.pass(1000);
  assertEquals(simulation.observed.changes, ["a", "b,c14"]);
});

Deno.test("watchConfig() reports a broken content once, and again only when it differs", async () => {
  await using simulation = new Simulation();
  const { observed } = simulation;
  simulation.write(0, "servers: 7\n");
  await simulation.start();
  await simulation.pass(20_000);
  assertEquals(observed.reports.length, 1);
  simulation.write(21_000, "servers: 8\n");
  await simulation.pass(20_000);
  assertEquals(observed.reports.length, 2);
  assertEquals(
    observed.log.filter((line) => line.includes("refused")).length,
    2,
  );
});

Deno.test("watchConfig() finds by polling what nothing announced", async () => {
  await using simulation = new Simulation();
  simulation.write(0, configText("a"));
  const io: WatchIo = {
    ...simulation.io,
    watchDirectory: () => {
      throw new Deno.errors.PermissionDenied("no watch");
    },
  };
  await simulation.start({ io });
  simulation.write(100, configText("b"));
  await simulation.pass(2500);
  assertEquals(simulation.observed.inForce, "b");
  await simulation.pass(20_000);
  assertEquals(
    simulation.observed.log.filter((line) => line.includes("not watched"))
      .length,
    1,
  );
});

Deno.test("watchConfig() watches the directory afresh when polling found what a dead watch missed", async () => {
  await using simulation = new Simulation();
  simulation.write(0, configText("a"));
  let watches = 0;
  const io: WatchIo = {
    ...simulation.io,
    watchDirectory: (path) => {
      const live = simulation.io.watchDirectory(path);
      if (++watches === 1) simulation.announce = undefined;
      return live;
    },
  };
  await simulation.start({ io });
  simulation.write(100, configText("b"));
  await simulation.pass(1900);
  assertEquals(simulation.observed.inForce, "a");
  await simulation.pass(300);
  assertEquals(simulation.observed.inForce, "b");
  simulation.write(simulation.now + 100, configText("c"));
  await simulation.pass(300);
  assertEquals(simulation.observed.inForce, "c");
});

Deno.test("watchConfig() says nothing of other formatting and replaces warnings", async () => {
  await using simulation = new Simulation();
  const { observed } = simulation;
  simulation.write(0, "servers: [{name: a, url: http://a.example/}]\n");
  await simulation.start();
  const { config } = observed.watch.state;
  simulation.write(
    100,
    "# c\nservers: [{name: a, url: http://a.example/, credentialFor: [discovery]}]\n",
  );
  await simulation.pass(1000);
  assert(observed.watch.state.config === config);
  assertEquals(observed.changes, ["a"]);
  assertMatch(observed.problems, /warning: .*has no effect/);
});

Deno.test("watchConfig() goes on after a callback that throws", async () => {
  await using simulation = new Simulation();
  simulation.write(0, configText("a"));
  await simulation.start({
    onChange: () => Promise.reject(new Error("cannot apply")),
  });
  simulation.write(100, configText("b"));
  await simulation.pass(1000);
  assertEquals(simulation.observed.inForce, "b");
  assertEquals(
    simulation.observed.log.filter((line) => line.includes("cannot apply"))
      .length,
    2,
  );
});

const WHOLE = configText("alpha", "beta", "gamma") +
  "virtualServers:\n  - name: team/travel\n    tools: [alpha_x]\n";

Deno.test("watchConfig() never lets a truncation of the file in force change it before the rest is written", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat(WHOLE.length - 1),
      fc.integer({ min: 1, max: 300 }),
      async (length, gapMs) => {
        await using simulation = new Simulation();
        simulation.write(0, WHOLE);
        await simulation.start();
        simulation.write(1000, WHOLE.slice(0, length));
        simulation.write(1000 + gapMs, WHOLE);
        await simulation.pass(5000);
        assertEquals(simulation.observed.changes, ["alpha,beta,gamma"]);
        assertEquals(simulation.observed.reports.flat(), []);
      },
    ),
    { numRuns: 300 },
  );
});

Deno.test("watchConfig() keeps the file in force though it stays cut off inside a line", async () => {
  for (let length = 0; length < WHOLE.length; length++) {
    const cut = WHOLE.slice(0, length);
    if (cut.endsWith("\n") || WHOLE[length] === "\n") continue;
    await using simulation = new Simulation();
    simulation.write(0, WHOLE);
    await simulation.start();
    simulation.write(1000, cut);
    await simulation.pass(10_000);
    assertEquals(simulation.observed.changes, ["alpha,beta,gamma"], cut);
    assert(simulation.observed.problems !== "", cut);
  }
});

Deno.test("watchConfig() believes a shorter file of whole lines that stays", async () => {
  await using simulation = new Simulation();
  simulation.write(0, configText("a", "b"));
  await simulation.start();
  simulation.write(100, configText("a"));
  await simulation.pass(1000);
  assertEquals(simulation.observed.inForce, "a");
});

Deno.test("watchConfig() stops at once when told to", async () => {
  await using simulation = new Simulation();
  simulation.write(0, configText("a"));
  await simulation.start();
  await simulation.observed[Symbol.asyncDispose]();
  simulation.write(100, configText("b"));
  await simulation.pass(5000);
  assertEquals(simulation.observed.inForce, "a");
});
