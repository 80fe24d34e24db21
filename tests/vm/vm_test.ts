/**
 * `manifests/vm`: a machine with nothing on it, and what the README there says,
 * typed by tests. They build on each other, as its sections do.
 *
 * @module
 */

import {
  assert,
  assertArrayIncludes,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { SYSTEM_DIRECTORIES } from "../../shared/local/build/permissions.ts";
import { LocalProcess } from "../../shared/local/processes.ts";
import { waitFor } from "../../shared/wait.ts";
import { built, pair } from "../executables/_built.ts";
import { envoyPath } from "../support/envoy_path.ts";
import { PROJECT_DIR } from "../support/paths.ts";
import { proves, shared } from "../support/proves.ts";
import { eventually } from "../support/wait.ts";
import { findMachine, Machine } from "./_machine.ts";

const machines = await findMachine();
if (machines.kind === "missing") {
  console.error(`Machines are not tested: ${machines.reason}`);
}
const ignore = machines.kind === "missing" || pair === undefined;

/** Where the README's commands are typed. */
const CHECKOUT = "/src";
const TLS = `${PROJECT_DIR}/tests/fixtures/tls`;
const PLAIN = "http://127.0.0.1:8888/mcp";
const SERVICES = ["config", "broker", "router@1", "envoy"].map((name) =>
  `mcp-gateway-${name}.service`
);
/** Exposure that `systemd-analyze security` may find, of 100. */
const MAX_EXPOSURE = 15;

const executables = built({
  programs: ["router", "broker"],
  directories: () => SYSTEM_DIRECTORIES,
});

interface World {
  readonly machine: Machine;
  /** The MCP server that comes second, from outside of the machine. */
  readonly other: LocalProcess;
}

const world = shared<World>(async (stack) => {
  if (ignore) return undefined as never;
  const machine = stack.use(
    await Machine.boot({
      [`${CHECKOUT}/manifests`]: `${PROJECT_DIR}/manifests`,
      [`${CHECKOUT}/dist`]: executables().bin,
      [`${CHECKOUT}/envoy`]: await envoyPath(),
      [`${CHECKOUT}/tls.pem`]: `${TLS}/server.pem`,
      [`${CHECKOUT}/tls.key`]: `${TLS}/server.key`,
    }),
  );
  const notes = stack.use(deno(machine, "serve.ts", "notes", "9001"));
  const other = stack.use(deno(machine, "serve.ts", "other", "9002"));
  await Promise.all([notes.start(), other.start()]);
  return { machine, other };
});

/** A script of ours in the machine's network; ready when it has said something. */
function deno(
  machine: Machine,
  script: string,
  ...args: readonly string[]
): LocalProcess {
  const [command, all] = machine.beside(
    Deno.execPath(),
    ...["run", "-A", `${PROJECT_DIR}/tests/vm/${script}`, ...args],
  );
  const process: LocalProcess = new LocalProcess({
    name: script,
    command,
    args: all,
    ready: async (signal) => {
      await waitFor(() => process.log.length > 0 || undefined, {
        what: script,
        timeoutMs: 60_000,
        signal,
      });
    },
  });
  return process;
}

/** What an SDK's client is told. */
interface Called {
  readonly tools: readonly string[];
  readonly result: { readonly isError?: boolean };
}

/** Has an SDK's client list and call tools. */
async function call(
  machine: Machine,
  ...args: readonly string[]
): Promise<Called> {
  const [command, all] = machine.beside(
    Deno.execPath(),
    ...["run", "-A", `${PROJECT_DIR}/tests/vm/call.ts`, ...args],
  );
  const { code, stdout, stderr } = await new Deno.Command(command, {
    args: all,
    env: { NO_COLOR: "1" },
  }).output();
  const text = new TextDecoder();
  if (code !== 0) throw new Error(text.decode(stderr));
  return JSON.parse(text.decode(stdout));
}

/** The commands under a heading of the README. */
async function commands(heading: string): Promise<string> {
  const readme = await Deno.readTextFile(
    `${PROJECT_DIR}/manifests/vm/README.md`,
  );
  const section = readme.split(/^## /m).find((part) =>
    part.startsWith(`${heading}\n`)
  );
  const blocks = [...(section ?? "").matchAll(/^```sh\n([\s\S]*?)^```/gm)];
  assert(blocks.length > 0, `The README says nothing to type under ${heading}`);
  return blocks.map(([, text]) => text).join("\n");
}

const ENVOY_PID = "systemctl show --value -p MainPID mcp-gateway-envoy";

/** Main processes of services, and how often systemd restarted them. */
function processes(machine: Machine): Promise<string> {
  return machine.print(
    `systemctl show --value -p MainPID -p NRestarts ${
      SERVICES.filter((name) => !name.includes("config")).join(" ")
    }`,
  );
}

proves("the README leads from nothing to the first tools/call", async () => {
  const { machine } = world();
  const started = performance.now();
  for (const heading of ["Install", "Configure", "Start"]) {
    await machine.print(await commands(heading), CHECKOUT);
  }
  const answer = await machine.print(await commands("Call a tool"), CHECKOUT);
  console.log(
    `first call ${
      Math.round(performance.now() - started)
    } ms after the first command`,
  );
  assertStringIncludes(answer, '\\"text\\":\\"buy milk\\"');
  assertEquals(
    (await machine.print(`systemctl is-active ${SERVICES.join(" ")}`)).trim()
      .split("\n"),
    SERVICES.map(() => "active"),
  );
}, { ignore });

proves("systemd finds nothing wrong with the units", async () => {
  const { machine } = world();
  const { code, stdout, stderr } = await machine.type(
    `systemd-analyze verify ${SERVICES.map((name) => `./${name}`).join(" ")}`,
    "/etc/systemd/system",
  );
  assertEquals({ code, stdout, stderr }, { code: 0, stdout: "", stderr: "" });
}, { ignore });

for (const service of SERVICES) {
  proves(`${service} is confined, says systemd`, async () => {
    const { machine } = world();
    const said = await machine.print(
      `systemd-analyze security --no-pager --threshold=${MAX_EXPOSURE} ${service}`,
    );
    const overall = said.trim().split("\n").at(-1) ?? "";
    assertMatch(overall, /Overall exposure level .* (OK|SAFE)/);
    console.log(overall);
  }, { ignore });

  proves(`${service} can write nothing but its own places`, async () => {
    const { machine } = world();
    // As root within what the service sees: more than it is allowed itself.
    const written = await machine.print(`
      pid=$(systemctl show --value -p MainPID ${service})
      for place in / /etc /etc/mcp-gateway /home /root /usr /usr/local/bin \\
          /var /var/lib /var/log /run /run/secrets/mcp-gateway /opt /srv; do
        nsenter -t $pid -m -- sh -c "touch $place/written 2>/dev/null" &&
          echo $place || true
      done`);
    assertEquals(written, "");
  }, { ignore });
}

proves("keys are for who needs them", async () => {
  const { machine } = world();
  const readable = (who: string, path: string) =>
    machine.type(`setpriv ${who} --clear-groups cat ${path} >/dev/null`);
  await machine.print("echo key > /etc/mcp-gateway/tls/some.key");
  const gateway = "--reuid mcp-gateway --regid mcp-gateway";
  const nobody = "--reuid nobody --regid nogroup";
  for (
    const [who, path, code] of [
      [gateway, "/etc/mcp-gateway/tls/some.key", 1],
      [gateway, "/etc/mcp-gateway/config.yaml", 0],
      [gateway, "/var/lib/mcp-gateway/signing.key", 0],
      [nobody, "/etc/mcp-gateway/config.yaml", 1],
      [nobody, "/run/mcp-gateway/config.yaml", 1],
      [nobody, "/var/lib/mcp-gateway/signing.key", 1],
    ] as const
  ) assertEquals((await readable(who, path)).code, code, `${who} ${path}`);
  for (const service of ["router@1", "broker", "config"]) {
    const seen = await machine.type(`
      pid=$(systemctl show --value -p MainPID mcp-gateway-${service})
      nsenter -t $pid -m -- ls /etc/mcp-gateway/tls/some.key`);
    assert(seen.code !== 0, `${service} sees the key of the certificate`);
  }
}, { ignore });

proves("the journal has lines of JSON, and the access log", async () => {
  const { machine } = world();
  for (
    const [program, service] of [
      ["router", "router@1"],
      ["broker", "broker"],
      ["envoy-config", "config"],
    ] as const
  ) {
    const pid = `systemctl show --value -p MainPID mcp-gateway-${service}`;
    const lines = await machine.print(
      `journalctl -q -o cat _PID=$(${pid}) -n 50`,
    );
    for (const line of lines.trim().split("\n")) {
      assertEquals(JSON.parse(line).program, program);
    }
  }
  const line = await eventually(async () => {
    const log = await machine.print(
      "journalctl -q -o cat -u mcp-gateway-envoy",
    );
    const found = log.split("\n").find((line) => line.includes("tools/call"));
    assert(found !== undefined, log);
    assert(!log.includes("buy milk"));
    return JSON.parse(found);
  });
  assertEquals(
    [line.method, line.server, line.tool, line.status],
    ["tools/call", "notes", "echo", 200],
  );
}, { ignore });

const CONFIG = "/etc/mcp-gateway/config.yaml";
const OTHER = `cat >> ${CONFIG} <<'YAML'
  - name: other
    url: http://localhost:9002/mcp
    prefix: other_
YAML`;

proves("a new server needs no restart of anything", async () => {
  const { machine } = world();
  const before = await processes(machine);
  await machine.print(OTHER);
  await eventually(async () => {
    const { tools, result } = await call(machine, PLAIN, "other_echo");
    assertEquals(tools, ["notes_echo", "other_echo"]);
    assertEquals(result.isError, undefined);
  });
  assertEquals(await processes(machine), before);
}, { ignore });

proves("a secret is a file, and a new one needs no restart", async () => {
  const { machine, other } = world();
  const before = await processes(machine);
  const keep = (token: string) =>
    machine.print(`
      cd /etc/mcp-gateway/secrets
      echo "Bearer ${token}" > new
      chown root:mcp-gateway new
      chmod 640 new
      mv new other-token`);
  await keep("first");
  await machine.print(`cat >> ${CONFIG} <<'YAML'
    credential: { file: other-token }
    credentialFor: [discovery, calls]
YAML`);
  for (const token of ["first", "second"]) {
    await keep(token);
    await eventually(async () => {
      await call(machine, PLAIN, "other_echo");
      assertArrayIncludes(other.log, [`Bearer ${token}`]);
    });
  }
  assertEquals(await processes(machine), before);
}, { ignore });

proves("every change counts, however fast they come", async () => {
  const { machine } = world();
  for (let round = 0; round < 5; round++) {
    await machine.print(`
      for n in 1 2 3; do
        sed -i "s/prefix: other.*/prefix: other_${round}_\${n}_/" ${CONFIG}
        sleep 0.$((RANDOM % 4))
      done
      sed -i 's/prefix: other.*/prefix: other_${round}_/' ${CONFIG}`);
    await eventually(async () => {
      const published = await machine.print("cat /run/mcp-gateway/config.yaml");
      assertStringIncludes(published, `prefix: other_${round}_\n`);
    });
  }
  await machine.print(`sed -i 's/prefix: other.*/prefix: other_/' ${CONFIG}`);
  await eventually(async () => {
    const { tools } = await call(machine, PLAIN, "other_echo");
    assertEquals(tools, ["notes_echo", "other_echo"]);
  });
}, { ignore });

proves("a mistake is told in the journal and changes nothing", async () => {
  const { machine } = world();
  await machine.print(
    `cp ${CONFIG} /tmp/good.yaml; echo '  - nam: x' >> ${CONFIG}`,
  );
  await eventually(async () => {
    const log = await machine.print(
      "journalctl -q -o cat -u mcp-gateway-config",
    );
    assertStringIncludes(log, "there is no such key");
  });
  const check = await machine.type("mcp-gateway-router check");
  assertEquals(check.code, 1);
  assertStringIncludes(check.stderr, `${CONFIG}:`);
  const { result } = await call(machine, PLAIN, "other_echo");
  assertEquals(result.isError, undefined);
  await machine.print(`cp /tmp/good.yaml ${CONFIG}`);
}, { ignore });

proves("sessions survive a restart of router and broker", async () => {
  const { machine } = world();
  const steps = (await commands("Call a tool")).split("\n\n");
  const session = await machine.print(
    `${steps.slice(0, 2).join("\n")}\necho "$session"`,
  );
  await machine.print(
    "systemctl restart mcp-gateway-broker mcp-gateway-router@1",
  );
  const again = await machine.print(
    `${steps[0]}\nsession=${session.trim()}\n${steps.slice(2).join("\n")}`,
  );
  assertStringIncludes(again, "buy milk");
}, { ignore });

proves(
  "a machine that boots with a mistake is mended by a correction",
  async () => {
    const { machine } = world();
    // What a machine that boots finds: nothing runs, and /run is empty.
    await machine.print(`
    systemctl stop 'mcp-gateway-*'
    rm -r /run/mcp-gateway
    journalctl -q --rotate && journalctl -q --vacuum-time=1s
    cp ${CONFIG} /tmp/good.yaml
    echo '  - nam: x' >> ${CONFIG}
    systemctl start --no-block ${SERVICES.join(" ")}`);
    await eventually(async () => {
      const log = await machine.print(
        "journalctl -q -o cat -u mcp-gateway-config",
      );
      assertStringIncludes(log, "there is no such key");
    });
    await machine.print(`cp /tmp/good.yaml ${CONFIG}`);
    await eventually(async () => {
      const { result } = await call(machine, PLAIN, "notes_echo");
      assertEquals(result.isError, undefined);
    }, { deadlineMs: 60_000 });
    await eventually(async () => {
      const { stdout } = await machine.type(
        `systemctl is-active ${SERVICES.join(" ")}`,
      );
      assertEquals(stdout.trim().split("\n"), SERVICES.map(() => "active"));
    }, { deadlineMs: 60_000 });
  },
  { ignore },
);

proves("TLS on port 443 comes without a restart of Envoy", async () => {
  const { machine } = world();
  const before = await machine.print(ENVOY_PID);
  await machine.print(await commands("TLS"), CHECKOUT);
  await eventually(async () => {
    const { tools } = await call(
      machine,
      "https://localhost/mcp",
      "notes_echo",
      `${TLS}/ca.pem`,
    );
    assertEquals(tools, ["notes_echo", "other_echo"]);
  });
  assertEquals(await machine.print(ENVOY_PID), before);
}, { ignore });

proves("a second router takes calls when the first one is killed", async () => {
  const { machine } = world();
  const before = await machine.print(ENVOY_PID);
  await machine.print(await commands("More than one router"), CHECKOUT);
  const called = () =>
    call(machine, "https://localhost/mcp", "notes_echo", `${TLS}/ca.pem`);
  await eventually(called);
  await eventually(async () => {
    const stats = await machine.print(
      "curl -s '127.0.0.1:9901/stats?filter=mcp_router.membership_healthy'",
    );
    assertStringIncludes(stats, ": 2");
  });
  assertEquals(await machine.print(ENVOY_PID), before);
  await machine.print("systemctl stop mcp-gateway-router@1");
  for (let calls = 0; calls < 3; calls++) await called();
  await machine.print(`
    systemctl start mcp-gateway-router@1
    systemctl kill -s KILL mcp-gateway-router@2`);
  await called();
  await eventually(async () => {
    const state = await machine.type(
      "systemctl is-active mcp-gateway-router@2",
    );
    assertEquals(state.stdout.trim(), "active");
  });
}, { ignore });

proves(
  "routers that are restarted one after the other lose no call",
  async () => {
    const { machine } = world();
    await using callers = deno(
      machine,
      "keep_calling.ts",
      ...["https://localhost/mcp", "notes_echo", `${TLS}/ca.pem`],
    );
    await callers.start();
    for (const router of [1, 2, 1, 2]) {
      await machine.print(`systemctl restart mcp-gateway-router@${router}`);
    }
    callers.kill("SIGTERM");
    await callers.ended;
    const { calls, failures } = JSON.parse(callers.log.at(-1) ?? "");
    assertEquals(failures, []);
    assert(calls > 100, `${calls} calls`);
    console.log(`${calls} calls`);
  },
  { ignore },
);
