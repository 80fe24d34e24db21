import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  type Crash,
  LocalProcess,
  ProcessError,
  type ProcessSpec,
} from "./processes.ts";
import { waitFor } from "../wait.ts";

const DEADLINE_MS = 20_000;

/** A shell script under a name. */
function shell(script: string, spec: Partial<ProcessSpec> = {}): LocalProcess {
  return new LocalProcess({
    name: "child",
    command: "/bin/sh",
    args: ["-c", script],
    ...spec,
  });
}

/** Ready once it has printed a line. */
function said(
  process: () => LocalProcess,
  line: string,
): NonNullable<ProcessSpec["ready"]> {
  return async (signal) => {
    await waitFor(() => process().log.includes(line) || undefined, {
      what: line,
      timeoutMs: DEADLINE_MS,
      signal,
    });
  };
}

function isAlive(pid: number): boolean {
  try {
    // A zombie is gone for us: nobody in a container may ever reap it.
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    return !/^\d+ \(.*\) Z/.test(stat);
  } catch {
    return false;
  }
}

async function gone(pid: number): Promise<void> {
  await waitFor(() => !isAlive(pid) || undefined, {
    what: `process ${pid} to end`,
    timeoutMs: DEADLINE_MS,
  });
}

Deno.test("LocalProcess hands over lines of both streams", async () => {
  const lines: string[] = [];
  await using child = shell("echo out; echo err >&2", {
    onLine: (line) => lines.push(line),
  });
  await child.start();
  assertEquals((await child.ended).code, 0);
  assertEquals(lines.toSorted(), ["err", "out"]);
  assertEquals(child.running, false);
});

Deno.test("LocalProcess.start() says what a process said that ended before it was ready", async () => {
  const child = shell("echo no such option; exit 3", {
    ready: said(() => child, "never"),
  });
  const error = await assertRejects(() => child.start(), ProcessError);
  assertStringIncludes(error.message, "Cannot use child: it ended with code 3");
  assertStringIncludes(error.message, "no such option");
});

Deno.test("LocalProcess.start() names a command that is not there", async () => {
  await assertRejects(
    () =>
      new LocalProcess({ name: "x", command: "/no/such", args: [] }).start(),
    ProcessError,
    "Cannot start x",
  );
});

Deno.test("LocalProcess.start() leaves nothing running when it is called off", async () => {
  const stop = new AbortController();
  const child = shell("echo up; exec sleep 1000", {
    onLine: () => stop.abort(new Error("called off")),
    ready: said(() => child, "never"),
  });
  await assertRejects(() => child.start(stop.signal), Error, "called off");
  await gone(child.pid);
});

Deno.test("LocalProcess.stop() ends what the process has started", async () => {
  const child = shell("sleep 1000 & echo $!; echo up; wait", {
    ready: said(() => child, "up"),
  });
  await child.start();
  const grandchild = Number(child.log[0]);
  assert(isAlive(grandchild));
  await child.stop();
  await gone(grandchild);
  await gone(child.pid);
});

Deno.test("LocalProcess.stop() kills what does not heed SIGTERM", async () => {
  const child = shell("trap '' TERM; echo up; while :; do sleep 0.05; done", {
    ready: said(() => child, "up"),
    stopMs: 50,
  });
  await child.start();
  await child.stop();
  assertEquals((await child.ended).signal, "SIGKILL");
});

Deno.test("LocalProcess.restart() runs it anew", async () => {
  await using child = shell("echo up; exec sleep 1000", {
    ready: said(() => child, "up"),
  });
  await child.start();
  const first = child.pid;
  await child.restart();
  assert(child.running);
  assert(child.pid !== first);
  await gone(first);
});

Deno.test("LocalProcess starts a process again that crashed, with growing pauses", async () => {
  const crashes: Crash[] = [];
  const third = Promise.withResolvers<void>();
  const child = shell("echo oops; exit 1", {
    restart: {
      firstMs: 1,
      maxMs: 3,
      steadyMs: 60_000,
      onCrash: (crash) => {
        crashes.push(crash);
        if (crashes.length === 3) third.resolve();
      },
    },
  });
  await child.start();
  await third.promise;
  await child.stop();
  assertEquals(crashes.slice(0, 3).map(({ againInMs }) => againInMs), [
    1,
    2,
    3,
  ]);
  assertEquals(crashes[0]?.how, "code 1");
  assertEquals(crashes[0]?.lastLines, ["oops"]);
});

Deno.test("LocalProcess starts a killed process again, a stopped one not", async () => {
  const crashed = Promise.withResolvers<Crash>();
  const child = shell("echo up; exec sleep 1000", {
    restart: {
      firstMs: 1,
      maxMs: 1,
      steadyMs: 0,
      onCrash: (crash) => crashed.resolve(crash),
    },
  });
  await child.start();
  const first = child.pid;
  child.kill();
  assertEquals((await crashed.promise).how, "SIGKILL");
  await waitFor(() => (child.running && child.pid !== first) || undefined, {
    what: "another run",
    timeoutMs: DEADLINE_MS,
  });
  await child.stop();
  assertEquals(child.running, false);
});

Deno.test("LocalProcess does not outlive an owner that is killed", async () => {
  const owner = new LocalProcess({
    name: "owner",
    command: Deno.execPath(),
    args: [
      "eval",
      `import { LocalProcess } from "${new URL(
        "processes.ts",
        import.meta.url,
      )}";
       const child = new LocalProcess({
         name: "child", command: "/bin/sleep", args: ["1000"],
       });
       await child.start();
       console.log("child " + child.pid);
       await child.ended;`,
    ],
  });
  await using _owner = owner;
  await owner.start();
  const child = await waitFor(
    () => Number(/^child (\d+)/m.exec(owner.log.join("\n"))?.[1]) || undefined,
    { what: "the child's pid", timeoutMs: DEADLINE_MS },
  );
  assert(isAlive(child));
  owner.kill("SIGKILL");
  await gone(child);
});
