import { assert, assertEquals } from "@std/assert";
import { BrokenInvariant } from "./invariant.ts";
import {
  type EndSignal,
  type Lifecycle,
  type RunOptions,
  runUntilSignal,
} from "./lifecycle.ts";
import { createLogger } from "./log.ts";

/** A program under test: its log, and events that the test makes happen. */
class Life {
  readonly lines: string[] = [];
  readonly exits: number[] = [];
  signal: (signal: EndSignal) => void = () => {};
  uncaught: (failure: unknown) => void = () => {};

  run(options: Partial<RunOptions>): Promise<number> {
    return runUntilSignal({
      start: () => {},
      drainSeconds: 60,
      log: createLogger({
        program: "p",
        level: "debug",
        format: "json",
        write: (line) => this.lines.push(line),
      }),
      events: {
        onSignal: (listener) => this.signal = listener,
        onUncaught: (listener) => this.uncaught = listener,
        exit: (code) => this.exits.push(code),
      },
      ...options,
    });
  }

  messages(): string[] {
    return this.lines.map((line) => JSON.parse(line))
      .map(({ message, step }) => step ? `${message}: ${step}` : message);
  }
}

const nextTurn = () => new Promise<void>((resolve) => setTimeout(resolve));

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  Deno.test(`runUntilSignal() drains in order on ${signal} and answers 0`, async () => {
    const life = new Life();
    const did: string[] = [];
    const code = life.run({
      start: (own) => {
        own.draining.addEventListener("abort", () => did.push("unready"));
        own.onDrain("first", async () => {
          did.push("first begins");
          await Promise.resolve();
          did.push("first ends");
        });
        own.onDrain("second", () => void did.push("second"));
      },
    });
    life.signal(signal);
    assertEquals(did, ["unready"]); // at once, before any step
    assertEquals(await code, 0);
    assertEquals(did, ["unready", "first begins", "first ends", "second"]);
    assertEquals(life.exits, []);
  });
}

for (
  const { second, want } of [
    { second: "SIGTERM", want: 143 },
    { second: "SIGINT", want: 130 },
  ] as const
) {
  Deno.test(`runUntilSignal() exits at once with ${want} on ${second} while draining`, async () => {
    const life = new Life();
    const hold = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    const code = life.run({
      start: (own) =>
        own.onDrain("slow", () => {
          begun.resolve();
          return hold.promise;
        }),
    });
    life.signal("SIGTERM");
    await begun.promise;
    life.signal(second);
    assertEquals(life.exits, [want]);
    hold.resolve();
    await code;
  });
}

Deno.test("runUntilSignal() goes on as before for the delay on SIGTERM, though it is not ready", async () => {
  const life = new Life();
  const did: string[] = [];
  const delaySeconds = 0.05;
  let toldAt = 0;
  const code = life.run({
    drainDelaySeconds: delaySeconds,
    start: (own) => {
      own.draining.addEventListener("abort", () => did.push("unready"));
      own.onDrain("step", () => {
        did.push("step");
        // Timers may be a little early by the other clock.
        assert(performance.now() - toldAt >= 1_000 * delaySeconds - 5);
      });
    },
  });
  await nextTurn();
  toldAt = performance.now();
  life.signal("SIGTERM");
  assertEquals(did, ["unready"]);
  await nextTurn();
  assertEquals(did, ["unready"]);
  assertEquals(await code, 0);
  assertEquals(did, ["unready", "step"]);
  assertEquals(life.messages(), ["draining", "drained: step", "stopped"]);
});

for (
  const { name, end } of [
    { name: "on SIGINT", end: (life: Life) => life.signal("SIGINT") },
    {
      name: "where something essential is gone",
      end: (life: Life) =>
        life.uncaught(new BrokenInvariant("its state is wrong")),
    },
    {
      name: "where something essential goes during the delay",
      end: (life: Life) => {
        life.signal("SIGTERM");
        life.uncaught(new BrokenInvariant("its state is wrong"));
      },
    },
  ]
) {
  Deno.test(`runUntilSignal() waits for no delay ${name}`, async () => {
    const life = new Life();
    const code = life.run({ drainDelaySeconds: 3_600 });
    await nextTurn();
    end(life);
    await code;
    assertEquals(life.messages().at(-1), "stopped");
  });
}

Deno.test("runUntilSignal() waits for no delay where the start is still under way", async () => {
  const life = new Life();
  const code = life.run({
    drainDelaySeconds: 3_600,
    start: () => new Promise(() => {}),
  });
  await nextTurn();
  life.signal("SIGTERM");
  assertEquals(await code, 0);
});

Deno.test("runUntilSignal() exits at once on a second signal during the delay", async () => {
  const life = new Life();
  const code = life.run({ drainDelaySeconds: 0.05 });
  await nextTurn();
  life.signal("SIGTERM");
  life.signal("SIGTERM");
  assertEquals(life.exits, [143]);
  await code;
});

Deno.test("runUntilSignal() leaves hanging steps behind at the deadline and runs the rest", async () => {
  const life = new Life();
  let told = false;
  let closed = false;
  const code = life.run({
    drainSeconds: 0.02,
    start: (own) => {
      own.onDrain("hangs", (deadline) => {
        deadline.addEventListener("abort", () => told = true);
        return new Promise(() => {});
      });
      own.onDrain("closes", async (deadline) => {
        // Takes some turns of the event loop, as closing a file does.
        for (let turn = 0; turn < 5; turn++) await nextTurn();
        closed = deadline.aborted;
      });
    },
  });
  life.signal("SIGTERM");
  assertEquals(await code, 0);
  assert(told && closed);
  assertEquals(life.messages(), [
    "draining",
    "drain step left behind: hangs",
    "drained: closes",
    "stopped",
  ]);
});

Deno.test("runUntilSignal() bounds the drain even where each step hangs", async () => {
  const life = new Life();
  const code = life.run({
    drainSeconds: 0,
    start: (own) => {
      for (const name of ["a", "b", "c"]) {
        own.onDrain(name, () => new Promise(() => {}));
      }
    },
  });
  life.signal("SIGTERM");
  assertEquals(await code, 0);
  assertEquals(
    life.messages().filter((message) => message.includes("left behind")).length,
    3,
  );
});

Deno.test("runUntilSignal() goes on draining after a step that fails", async () => {
  const life = new Life();
  const code = life.run({
    start: (own) => {
      own.onDrain("throws", () => {
        throw new Error("no");
      });
      own.onDrain("rejects", () => Promise.reject(new Error("no")));
      own.onDrain("adds", () => own.onDrain("added", () => {}));
    },
  });
  life.signal("SIGTERM");
  assertEquals(await code, 0);
  assertEquals(life.messages(), [
    "draining",
    "drain step failed: throws",
    "drain step failed: rejects",
    "drained: adds",
    "drained: added",
    "stopped",
  ]);
});

Deno.test("runUntilSignal() unwinds a start that fails and answers 1", async () => {
  const life = new Life();
  const code = await life.run({
    start: (own) => {
      own.onDrain("opened", () => {});
      return Promise.reject(new Error("port taken"));
    },
  });
  assertEquals(code, 1);
  assertEquals(life.messages(), ["start failed", "drained: opened", "stopped"]);
});

Deno.test("runUntilSignal() drains while the start is still under way", async () => {
  const life = new Life();
  const code = life.run({
    start: (own) =>
      new Promise((_, reject) =>
        own.draining.addEventListener(
          "abort",
          () => reject(own.draining.reason),
        )
      ),
  });
  life.signal("SIGTERM");
  assertEquals(await code, 0);
  assert(life.messages().includes("start interrupted"));
});

Deno.test("runUntilSignal() answers 1 where something essential is gone", async () => {
  const life = new Life();
  let own: Lifecycle | undefined;
  const code = life.run({ start: (life) => void (own = life) });
  own?.fail("listener gone", new Error("x"));
  assertEquals(await code, 1);
  assert(own?.draining.aborted);
});

for (
  const { name, failure, ends } of [
    { name: "an error", failure: new TypeError("x"), ends: false },
    { name: "no error at all", failure: undefined, ends: false },
    {
      name: "a broken invariant",
      failure: new BrokenInvariant("x"),
      ends: true,
    },
    {
      name: "the consequence of a broken invariant",
      failure: new Error("y", { cause: new BrokenInvariant("x") }),
      ends: true,
    },
  ]
) {
  Deno.test(`runUntilSignal() ${ends ? "drains and answers 1" : "logs and goes on"} when nobody caught ${name}`, async () => {
    const life = new Life();
    const seen: unknown[] = [];
    const code = life.run({ onUncaught: (failure) => seen.push(failure) });
    life.uncaught(failure);
    assertEquals(seen, [failure]);
    assertEquals(
      JSON.parse(life.lines[0]!).message,
      ends ? "invariant broken" : "failure not handled",
    );
    life.signal("SIGTERM");
    assertEquals(await code, ends ? 1 : 0);
  });
}

/** Runs a program of its own, sends it signals as its log asks for them. */
async function runProgram(
  start: string,
  drainSeconds: number,
  signals: Readonly<Record<string, EndSignal>>,
): Promise<{ code: number; messages: string[] }> {
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  const at = (name: string) =>
    JSON.stringify(new URL(name, import.meta.url).href);
  await Deno.writeTextFile(
    file,
    `import { runUntilSignal } from ${at("./lifecycle.ts")};
    import { invariant } from ${at("./invariant.ts")};
    import { createLogger } from ${at("./log.ts")};
    const log = createLogger({ program: "p", level: "info", format: "json" });
    Deno.exit(await runUntilSignal({ log, drainSeconds: ${drainSeconds},
      start: (life) => { ${start}; log.info("started"); } }));
    invariant;`,
  );
  try {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--no-prompt", file],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const messages: string[] = [];
    let text = "";
    for await (
      const chunk of child.stderr.pipeThrough(new TextDecoderStream())
    ) {
      const lines = (text + chunk).split("\n");
      text = lines.pop()!;
      for (const line of lines) {
        const { message } = JSON.parse(line);
        messages.push(message);
        const signal = signals[message];
        if (signal !== undefined) child.kill(signal);
      }
    }
    return { code: (await child.status).code, messages };
  } finally {
    await Deno.remove(file);
  }
}

Deno.test("a real program drains on SIGTERM, without any permission", async () => {
  const { code, messages } = await runProgram(
    `life.onDrain("a", () => log.info("drains"))`,
    20,
    { started: "SIGTERM" },
  );
  assertEquals(messages, ["started", "draining", "drains", "stopped"]);
  assertEquals(code, 0);
});

Deno.test("a real program exits at once on a second signal", async () => {
  const { code, messages } = await runProgram(
    `life.onDrain("a", () => { log.info("hangs"); return new Promise(() => {}); })`,
    3600,
    { started: "SIGTERM", hangs: "SIGINT" },
  );
  assertEquals(messages, ["started", "draining", "hangs", "exiting at once"]);
  assertEquals(code, 130);
});

Deno.test("a real program survives what nobody caught, save a broken invariant", async () => {
  const { code, messages } = await runProgram(
    `Promise.reject(new Error("a"));
    setTimeout(() => {
      queueMicrotask(() => { throw new Error("b"); });
      setTimeout(() => Promise.reject(new Error("c", {
        cause: (() => { try { invariant(false, "d"); } catch (e) { return e; } })(),
      })));
    })`,
    20,
    {},
  );
  assertEquals(messages, [
    "started",
    "failure not handled",
    "failure not handled",
    "invariant broken",
    "stopped",
  ]);
  assertEquals(code, 1);
});

for (
  const { name, failsIn } of [
    { name: "the delay", failsIn: "delay" },
    { name: "the drain", failsIn: "drain" },
  ]
) {
  Deno.test(`runUntilSignal() answers 1 where something essential goes in ${name} after SIGTERM`, async () => {
    const life = new Life();
    const fail = () => life.uncaught(new BrokenInvariant("its state is wrong"));
    const code = life.run({
      drainDelaySeconds: failsIn === "delay" ? 3_600 : 0,
      start: (own) => {
        own.onDrain("first", () => failsIn === "drain" ? fail() : undefined);
      },
    });
    await nextTurn();
    life.signal("SIGTERM");
    if (failsIn === "delay") fail();
    assertEquals(await code, 1);
    assertEquals(life.messages().slice(-2), ["drained: first", "stopped"]);
  });
}
