/**
 * The session store in Redis, for gateways on more than one machine. Needs
 * Redis 7.0 or what speaks its protocol, as one server with its replicas, not
 * as a cluster of shards; `noeviction`, lest it forget who logged out.
 *
 * | Key | Holds |
 * | --- | ----- |
 * | `mcpgw:1:s:HASH` | hash: one session, its backend sessions, claims, notes |
 * | `mcpgw:1:live` | sorted set: live sessions by `expiresAt` |
 * | `mcpgw:1:of:IDENTITY` | sorted set: those of one identity, likewise |
 * | `mcpgw:1:idle` | sorted set: live sessions by `touchedAt` |
 * | `mcpgw:1:expendable` | sorted set: expendable ones by `createdAt` |
 * | `mcpgw:1:ended` | sorted set: tombstones by `expiresAt` |
 *
 * HASH is SHA-256 of the session's id, in hex. Everything of a session is in
 * one key, so that it ends and expires as a whole; each key lives as long as
 * what is in it, and a little longer, so that a sweep sees what is over. The
 * sorted sets are asked by time and so count rightly whatever has expired.
 * Each step that must not be torn is a script.
 *
 * @module
 */

import { createHash } from "node:crypto";
import {
  RedisConnection,
  type RedisConnectionOptions,
  type RedisReply,
  RedisScript,
} from "./redis_connection.ts";
import type {
  ClaimOutcome,
  CreateOutcome,
  NoteName,
  NoteOutcome,
  SessionLimits,
  SessionStore,
  StoredBackend,
  StoredNote,
  StoredSession,
} from "./store.ts";

/** What a {@linkcode RedisStore} is opened with. */
export interface RedisStoreOptions extends RedisConnectionOptions {
  /** Milliseconds since the epoch; decides how long Redis keeps keys. */
  readonly now?: () => number;
}

/** Keys outlive what they hold by this, for sweeps to hand backends out. */
const GRACE_MS = 600_000;
/** Sessions of one step of a sweep, which nobody else's command interrupts. */
const BATCH = 100;

/** What scripts share. */
const COMMON = `
local P = 'mcpgw:1:'
local LIVE, IDLE, ENDED = P .. 'live', P .. 'idle', P .. 'ended'
local EXPENDABLE = P .. 'expendable'

local function keep(key, ttl)
  if redis.call('PTTL', key) < tonumber(ttl) then
    redis.call('PEXPIRE', key, ttl)
  end
end

local function backends(record, found, id)
  local fields = redis.call('HGETALL', record)
  for i = 1, #fields, 2 do
    if string.sub(fields[i], 1, 2) == 'b:' then
      if id then found[#found + 1] = id end
      found[#found + 1] = string.sub(fields[i], 3)
      found[#found + 1] = fields[i + 1]
    end
  end
  return found
end

local function delist(member, identity)
  redis.call('ZREM', LIVE, member)
  redis.call('ZREM', IDLE, member)
  redis.call('ZREM', EXPENDABLE, member)
  if identity and identity ~= '' then
    redis.call('ZREM', P .. 'of:' .. identity, member)
  end
end

local function spare(record)
  if redis.call('HDEL', record, 'expendable') == 1 then
    redis.call('ZREM', EXPENDABLE, string.sub(record, #P + 3))
  end
end

local function bury(record, member, id, expires_at, ttl)
  local old = redis.call('HMGET', record,
    'identity', 'created_at', 'touched_at', 'expires_at')
  if old[4] and tonumber(old[4]) > tonumber(expires_at) then
    ttl = ttl + old[4] - expires_at
    expires_at = old[4]
  end
  redis.call('DEL', record)
  redis.call('HSET', record, 'id', id, 'identity', old[1] or '',
    'created_at', old[2] or 0, 'touched_at', old[3] or 0,
    'expires_at', expires_at, 'ended', 1, 'data', '')
  redis.call('PEXPIRE', record, ttl)
  delist(member, old[1])
  redis.call('ZADD', ENDED, expires_at, member)
  keep(ENDED, ttl)
end
`;

const script = (text: string) => new RedisScript(COMMON + text);

const CREATE = script(`
local member, id, identity, created_at, touched_at, expires_at, expendable,
  data, total, per_identity, expendable_before, ttl = unpack(ARGV)
if redis.call('EXISTS', KEYS[1]) == 1 then return 'exists' end
local of = P .. 'of:' .. identity
if identity ~= '' and redis.call('ZCOUNT', of, '(' .. created_at, '+inf') >=
  tonumber(per_identity) then return 'too many of identity' end
while redis.call('ZCOUNT', LIVE, '(' .. created_at, '+inf') >=
  tonumber(total) do
  local oldest = redis.call('ZRANGEBYSCORE', EXPENDABLE, '-inf',
    '(' .. expendable_before, 'LIMIT', 0, 1)[1]
  if not oldest then return 'too many' end
  local record = P .. 's:' .. oldest
  delist(oldest, redis.call('HGET', record, 'identity'))
  redis.call('DEL', record)
end
-- First of all writes: a server that is full refuses it, or lets all pass.
redis.call('HSET', KEYS[1], 'id', id, 'identity', identity,
  'created_at', created_at, 'touched_at', touched_at,
  'expires_at', expires_at, 'ended', 0, 'data', data)
redis.call('PEXPIRE', KEYS[1], ttl)
if expendable == '1' then
  redis.call('HSET', KEYS[1], 'expendable', 1)
  redis.call('ZADD', EXPENDABLE, created_at, member)
  keep(EXPENDABLE, ttl)
end
if identity ~= '' then
  redis.call('ZREMRANGEBYSCORE', of, '-inf', created_at)
  redis.call('ZADD', of, expires_at, member)
  keep(of, ttl)
end
redis.call('ZADD', LIVE, expires_at, member)
redis.call('ZADD', IDLE, touched_at, member)
keep(LIVE, ttl)
keep(IDLE, ttl)
return 'created'
`);

const TOUCH = script(`
local member, at = unpack(ARGV)
local found = redis.call('HMGET', KEYS[1], 'ended', 'touched_at')
if found[1] == '0' then spare(KEYS[1]) end
if found[1] == '0' and tonumber(found[2]) < tonumber(at) then
  redis.call('HSET', KEYS[1], 'touched_at', at)
  redis.call('ZADD', IDLE, at, member)
end
`);

const END = script(`
local member, id, expires_at, ttl = unpack(ARGV)
local found = backends(KEYS[1], {})
bury(KEYS[1], member, id, expires_at, ttl)
return found
`);

const CLAIM = script(`
local server, claimant, now, until_ = unpack(ARGV)
local found = redis.call('HMGET', KEYS[1],
  'ended', 'expires_at', 'b:' .. server, 'c:' .. server)
if found[1] ~= '0' or tonumber(found[2]) <= tonumber(now) then
  return {'ended'}
end
if found[3] then return {'open', found[3]} end
if found[4] then
  local lease, holder = string.match(found[4], '^(%S+) (.*)$')
  if holder ~= claimant and tonumber(lease) > tonumber(now) then
    return {'busy'}
  end
end
redis.call('HSET', KEYS[1], 'c:' .. server, until_ .. ' ' .. claimant)
return {'claimed'}
`);

/** Ending a session removes its claims, so that the claim alone decides. */
const FULFIL_OR_RELEASE = script(`
local server, claimant, data = unpack(ARGV)
local held = redis.call('HGET', KEYS[1], 'c:' .. server)
if not held or string.match(held, '^%S+ (.*)$') ~= claimant then return 0 end
redis.call('HDEL', KEYS[1], 'c:' .. server)
if data then
  redis.call('HSET', KEYS[1], 'b:' .. server, data)
  spare(KEYS[1])
end
return 1
`);

const FORGET = script(`
local server, data = unpack(ARGV)
if redis.call('HGET', KEYS[1], 'b:' .. server) ~= data then return 0 end
return redis.call('HDEL', KEYS[1], 'b:' .. server)
`);

const BACKENDS = script(`return backends(KEYS[1], {})`);

const SET_NOTE = script(`
local kind, key, limit, data = unpack(ARGV)
if redis.call('HGET', KEYS[1], 'ended') ~= '0' then return 'ended' end
local all = 'n:' .. kind .. ':'
local field = all .. key
if not data then
  redis.call('HDEL', KEYS[1], field)
  return 'set'
end
if not redis.call('HGET', KEYS[1], field) then
  local others = 0
  local fields = redis.call('HGETALL', KEYS[1])
  for i = 1, #fields, 2 do
    if string.sub(fields[i], 1, #all) == all then others = others + 1 end
  end
  if others >= tonumber(limit) then return 'too many' end
end
redis.call('HSET', KEYS[1], field, data)
spare(KEYS[1])
return 'set'
`);

const NOTES = script(`
local found = {}
local fields = redis.call('HGETALL', KEYS[1])
for i = 1, #fields, 2 do
  local kind, key = string.match(fields[i], '^n:([^:]*):(.*)$')
  if kind then
    found[#found + 1] = kind
    found[#found + 1] = key
    found[#found + 1] = fields[i + 1]
  end
end
return found
`);

const SWEEP = script(`
local now, idle_before, grace, batch = unpack(ARGV)
local swept, found = 0, {}
for _, index in ipairs({LIVE, ENDED}) do
  local over = redis.call('ZRANGEBYSCORE', index, '-inf', '(' .. now,
    'LIMIT', 0, batch)
  for _, member in ipairs(over) do
    local record = P .. 's:' .. member
    local known = redis.call('HMGET', record, 'id', 'identity')
    if known[1] then backends(record, found, known[1]) end
    delist(member, known[2])
    redis.call('ZREM', ENDED, member)
    redis.call('DEL', record)
    swept = swept + 1
  end
end
local idle = redis.call('ZRANGEBYSCORE', IDLE, '-inf', '(' .. idle_before,
  'LIMIT', 0, batch)
for _, member in ipairs(idle) do
  local record = P .. 's:' .. member
  local known = redis.call('HMGET', record, 'id', 'expires_at')
  if known[1] then
    backends(record, found, known[1])
    bury(record, member, known[1], known[2],
      math.max(known[2] - now, 0) + grace)
  else
    delist(member)
  end
  swept = swept + 1
end
return {swept, found}
`);

const LIVE = "mcpgw:1:live";

/** Keeps sessions in Redis. */
export class RedisStore implements SessionStore {
  readonly #redis: RedisConnection;
  readonly #now: () => number;

  private constructor(redis: RedisConnection, now: () => number) {
    this.#redis = redis;
    this.#now = now;
  }

  /**
   * Opens the store. A server that is not there yet is looked for in the
   * background; until it is found, everything rejects at once.
   *
   * @throws {Error} That names the remedy where the server does not let us in.
   */
  static async open(options: RedisStoreOptions): Promise<RedisStore> {
    const redis = await RedisConnection.open(options);
    return new RedisStore(redis, options.now ?? Date.now);
  }

  /** Adds a live session. */
  async create(
    session: StoredSession,
    limits: SessionLimits,
  ): Promise<CreateOutcome> {
    const { id, identity, createdAt, touchedAt, expiresAt } = session;
    const outcome = await this.#redis.run(
      CREATE,
      keyOf(id),
      memberOf(id),
      id,
      identity,
      createdAt,
      touchedAt,
      expiresAt,
      session.expendable ? 1 : 0,
      session.data,
      limits.total,
      limits.perIdentity,
      limits.expendableBefore ?? 0,
      this.#ttl(expiresAt),
    );
    return textOf(outcome) as CreateOutcome;
  }

  /** Reads a session. */
  async get(id: string): Promise<StoredSession | undefined> {
    const [
      identity,
      createdAt,
      touchedAt,
      expiresAt,
      ended,
      expendable,
      data,
    ] = listOf(
      await this.#redis.send(
        "HMGET",
        keyOf(id),
        "identity",
        "created_at",
        "touched_at",
        "expires_at",
        "ended",
        "expendable",
        "data",
      ),
    );
    if (!(data instanceof Uint8Array)) return undefined;
    return {
      id,
      identity: textOf(identity),
      createdAt: Number(textOf(createdAt)),
      touchedAt: Number(textOf(touchedAt)),
      expiresAt: Number(textOf(expiresAt)),
      ended: textOf(ended) === "1",
      expendable: expendable !== null,
      data: bytesOf(data),
    };
  }

  /** Records activity. */
  async touch(id: string, at: number): Promise<void> {
    await this.#redis.run(TOUCH, keyOf(id), memberOf(id), at);
  }

  /** Ends a session and leaves a tombstone. */
  async end(id: string, expiresAt: number): Promise<StoredBackend[]> {
    const open = await this.#redis.run(
      END,
      keyOf(id),
      memberOf(id),
      id,
      expiresAt,
      this.#ttl(expiresAt),
    );
    return backendsOf(id, open);
  }

  /** Reads a backend session. */
  async getBackend(
    id: string,
    server: string,
  ): Promise<Uint8Array | undefined> {
    const data = await this.#redis.send("HGET", keyOf(id), `b:${server}`);
    return data === null ? undefined : bytesOf(data);
  }

  /** Reads a backend session or takes the right to open it. */
  async claim(
    id: string,
    server: string,
    claimant: string,
    now: number,
    leaseMs: number,
  ): Promise<ClaimOutcome> {
    const [kind, data] = listOf(
      await this.#redis.run(
        CLAIM,
        keyOf(id),
        server,
        claimant,
        now,
        now + leaseMs,
      ),
    );
    return data === undefined
      ? { kind: textOf(kind) as "claimed" | "busy" | "ended" }
      : { kind: "open", data: bytesOf(data) };
  }

  /** Stores the backend session that was opened. */
  async fulfil(
    id: string,
    server: string,
    claimant: string,
    data: Uint8Array,
  ): Promise<boolean> {
    return await this.#redis.run(
      FULFIL_OR_RELEASE,
      keyOf(id),
      server,
      claimant,
      data,
    ) === 1;
  }

  /** Gives a claim up. */
  async release(id: string, server: string, claimant: string): Promise<void> {
    await this.#redis.run(FULFIL_OR_RELEASE, keyOf(id), server, claimant);
  }

  /** Forgets a backend session if it is still this one. */
  async forget(id: string, server: string, data: Uint8Array): Promise<boolean> {
    return await this.#redis.run(FORGET, keyOf(id), server, data) === 1;
  }

  /** Backend sessions open for a client session. */
  async backends(id: string): Promise<StoredBackend[]> {
    return backendsOf(id, await this.#redis.run(BACKENDS, keyOf(id)));
  }

  /** Writes or removes a note. */
  async setNote(
    id: string,
    { kind, key }: NoteName,
    data: Uint8Array | undefined,
    limit: number,
  ): Promise<NoteOutcome> {
    const outcome = await this.#redis.run(
      SET_NOTE,
      keyOf(id),
      kind,
      key,
      limit,
      ...(data === undefined ? [] : [data]),
    );
    return textOf(outcome) as NoteOutcome;
  }

  /** Reads all notes of a session. */
  async notes(id: string): Promise<StoredNote[]> {
    const parts = listOf(await this.#redis.run(NOTES, keyOf(id)));
    const found: StoredNote[] = [];
    for (let i = 0; i < parts.length; i += 3) {
      found.push({
        kind: textOf(parts[i]),
        key: textOf(parts[i + 1]),
        data: bytesOf(parts[i + 2]),
      });
    }
    return found;
  }

  /** Ends what is idle and removes what is over, in steps. */
  async sweep(now: number, idleBefore: number): Promise<StoredBackend[]> {
    const open: StoredBackend[] = [];
    for (;;) {
      const [swept, found] = listOf(
        await this.#redis.run(SWEEP, LIVE, now, idleBefore, GRACE_MS, BATCH),
      );
      const parts = listOf(found);
      for (let i = 0; i < parts.length; i += 3) {
        open.push(...backendsOf(textOf(parts[i]), parts.slice(i + 1, i + 3)));
      }
      if (swept === 0) return open;
    }
  }

  /** Number of live sessions that are not expired by now. */
  async count(): Promise<number> {
    const live = `(${this.#now()}`;
    return Number(await this.#redis.send("ZCOUNT", LIVE, live, "+inf"));
  }

  /**
   * Undefined: what others write is told too late, or not at all, by anything
   * that Redis sends by itself.
   */
  revision(): undefined {
    return undefined;
  }

  /** Disconnects. */
  async close(): Promise<void> {
    await this.#redis.close();
  }

  /** Milliseconds that a key is kept which holds something until then. */
  #ttl(expiresAt: number): number {
    return Math.ceil(Math.max(expiresAt - this.#now(), 0)) + GRACE_MS;
  }
}

function memberOf(id: string): string {
  return createHash("sha256").update(id).digest("hex");
}

function keyOf(id: string): string {
  return `mcpgw:1:s:${memberOf(id)}`;
}

/** Reads what a script made of pairs of server and data. */
function backendsOf(
  session: string,
  reply: RedisReply | undefined,
): StoredBackend[] {
  const parts = listOf(reply);
  const found: StoredBackend[] = [];
  for (let i = 0; i < parts.length; i += 2) {
    found.push({
      session,
      server: textOf(parts[i]),
      data: bytesOf(parts[i + 1]),
    });
  }
  return found;
}

function listOf(reply: RedisReply | undefined): readonly RedisReply[] {
  if (Array.isArray(reply)) return reply;
  throw new TypeError("Cannot read the answer of Redis: want a list");
}

function textOf(reply: RedisReply | undefined): string {
  if (reply instanceof Uint8Array) return new TextDecoder().decode(reply);
  if (typeof reply === "string") return reply;
  throw new TypeError("Cannot read the answer of Redis: want a text");
}

/** Copies: the client's bytes are part of a larger buffer of what came in. */
function bytesOf(reply: RedisReply | undefined): Uint8Array {
  if (reply instanceof Uint8Array) return new Uint8Array(reply);
  throw new TypeError("Cannot read the answer of Redis: want bytes");
}
