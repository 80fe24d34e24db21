/**
 * Makes an update of Envoy from a configuration, the options, and what is on
 * this machine: files, secrets, an Envoy that may be running.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { formatAddress, type TcpAddress } from "../../shared/address.ts";
import type { GatewayConfig } from "../../shared/config/model.ts";
import { parseConfig } from "../../shared/config/parse.ts";
import { SecretError, type SecretIo } from "../../shared/config/secrets.ts";
import {
  EnvoyAdmin,
  RejectedError,
  SilentAdminError,
  type TakenKind,
} from "../../shared/envoy/admin.ts";
import {
  EnvoyFiles,
  type EnvoyServers,
  envoyServers,
  replaceFile,
} from "../../shared/envoy/files.ts";
import { waitOnTimer } from "../../shared/wait_on_timer.ts";
import type { Settings } from "./settings.ts";
import type { Take, Update } from "./update.ts";

/** Where everything is. */
export interface Places {
  /** Folder of Envoy's files. */
  readonly out: string;
  /** File for router and broker; none where undefined. */
  readonly publish: string | undefined;
  /** What the options say of Envoy. */
  readonly settings: Settings;
  /** Where CAs are read. */
  readonly secrets: SecretIo;
}

/** A valid configuration, and the text that it was parsed from. */
export interface GivenConfig {
  /** The configuration. */
  readonly config: GatewayConfig;
  /** The text. */
  readonly text: string;
}

/**
 * Whether an Envoy runs that will be asked. "not asked" is one without an admin
 * interface, which may be running.
 */
export type EnvoyPresence = "running" | "not running" | "not asked";

/** What to say of Envoy once it was told. */
export const TOLD: Readonly<Record<EnvoyPresence, string>> = {
  "running": "has taken it",
  "not running": "is not running",
  "not asked": "was not asked",
};

/** An update that can be carried out. */
export interface PreparedUpdate {
  /** Equal for updates that would tell the same, to an Envoy or to none. */
  readonly key: string;
  /** What is known of Envoy. */
  readonly envoy: EnvoyPresence;
  /** The update. */
  readonly update: Update;
}

/** For a group that Envoy, router and broker have in common. */
const FILE_MODE = 0o640;
const DIR_MODE = 0o750;
/** Milliseconds that an Envoy which cannot be asked is given for each step. */
const UNASKED_MS = 500;
/** Waits of ours have an end of their own. */
const NEVER = new AbortController().signal;

/**
 * Prepares an update.
 *
 * @throws {SecretError} If the CA of a server cannot be read.
 */
export async function prepareUpdate(
  { config, text }: GivenConfig,
  { out, publish, settings, secrets }: Places,
): Promise<PreparedUpdate> {
  const { envoy, admin } = settings;
  await Deno.mkdir(out, { recursive: true, mode: DIR_MODE });
  const files = new EnvoyFiles(out, envoy, FILE_MODE);
  const now = await envoyServers(config, envoy, secrets);
  const before = publish === undefined
    ? undefined
    : await serversBefore(publish, settings, secrets);
  const presence = await presenceOf(settings);
  const listenerVersion = hash(JSON.stringify(envoy));
  const update: Update = {
    version: config.version,
    listenerVersion,
    now,
    before,
    files: {
      clusters: (servers, version) => files.writeClusters(servers, version),
      routes: (servers, version) => files.writeRoutes(servers, version),
      listener: (version) => files.writeListener(version),
      undo: await snapshot(out),
      bootstrap: async () => {
        const old = await textOf(files.bootstrap);
        await files.writeBootstrap(admin);
        return presence !== "not running" && old !== undefined &&
          old !== await textOf(files.bootstrap);
      },
    },
    take: presence === "not running"
      ? (_kind, _version, write) => write()
      : takeOf(settings),
    publish: async () => {
      if (publish !== undefined) await replaceFile(publish, text, FILE_MODE);
    },
  };
  // With Envoy's presence: what was written while it was down is not known to
  // be taken, so it is told once more as soon as it is up.
  const key = hash(
    JSON.stringify([text, now, before ?? null, envoy, presence]),
  );
  return { key, envoy: presence, update };
}

/**
 * What Envoy had to know of what router and broker act on. A server whose CA
 * is gone with it is left out: nothing could be said of it.
 */
async function serversBefore(
  published: string,
  { envoy }: Settings,
  secrets: SecretIo,
): Promise<EnvoyServers | undefined> {
  const text = await textOf(published);
  const parsed = text === undefined
    ? undefined
    : parseConfig(text, { file: published });
  if (parsed === undefined || !parsed.ok) return undefined;
  const { config } = parsed;
  try {
    return await envoyServers(config, envoy, secrets);
  } catch (error) {
    if (!(error instanceof SecretError)) throw error;
    const servers = config.servers.filter(({ caCert }) => caCert === undefined);
    return await envoyServers({ ...config, servers }, envoy, secrets);
  }
}

/** Files that Envoy watches: routes first, which name the clusters. */
const WATCHED = ["rds.json", "cds.json", "eds.json", "sds.json", "lds.json"];

/** Remembers Envoy's files as they are; what is returned puts them back. */
async function snapshot(dir: string): Promise<() => Promise<void>> {
  const paths = WATCHED.map((name) => `${dir}/${name}`);
  const texts = await Promise.all(paths.map(textOf));
  return async () => {
    for (const [at, path] of paths.entries()) {
      const text = texts[at];
      if (text === undefined || text === await textOf(path)) continue;
      await replaceFile(path, text, FILE_MODE);
    }
  };
}

/** @throws {SilentAdminError} If there is one that does not answer. */
async function presenceOf({ admin }: Settings): Promise<EnvoyPresence> {
  if (admin === undefined) return "not asked";
  try {
    await adminOf(admin).state();
    return "running";
  } catch (error) {
    if (error instanceof SilentAdminError) throw error;
    return "not running";
  }
}

/** Writes, and waits until Envoy has taken it. */
function takeOf({ admin, envoy: { tls } }: Settings): Take {
  if (admin === undefined) {
    return async (_kind, _version, write) => {
      await write();
      await waitOnTimer(UNASKED_MS, NEVER);
    };
  }
  const told = (kind: TakenKind): readonly TakenKind[] =>
    kind === "listener" && tls !== undefined ? ["certificates", kind] : [kind];
  return async (kind, version, write) => {
    const before = await adminOf(admin).state();
    await write();
    for (const part of told(kind)) {
      await adminOf(admin, part).taken(part, version, before);
    }
    if (kind !== "listener" || tls === undefined) return;
    if (await adminOf(admin).hasCertificate()) return;
    throw new RejectedError("certificates", NO_CERTIFICATE);
  };
}

/** Stands for Envoy's log, which is not ours to read. */
const REFUSED = "config update rejected: its own log says why";
const REFUSED_PAIR = `${REFUSED}. Remedy: name files with ` +
  "--tls-certificate and --tls-key that are there, that Envoy's user may " +
  "read and that belong together";
const NO_CERTIFICATE = "it has refused the same before, and does not read " +
  "the files again. Remedy: mend the files of --tls-certificate and " +
  "--tls-key, which Envoy's log names, and restart Envoy";

function adminOf(address: TcpAddress, kind?: TakenKind): EnvoyAdmin {
  const reason = kind === "certificates" ? REFUSED_PAIR : REFUSED;
  return new EnvoyAdmin(`http://${formatAddress(address)}`, () => [reason]);
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 12);
}
