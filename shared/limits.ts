/**
 * The limits that keep one client, server or message from costing the others:
 * one table, so that programs, generated Envoy configuration and documentation
 * say the same. Holds numbers only.
 *
 * @module
 */

const KIB = 1024;
const MIB = 1024 * KIB;
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** The table's columns: each name ends in its unit, or counts things. */
export interface Limits {
  /** Bytes of a request body; a larger one is refused with 413. */
  readonly bodyBytes: number;
  /** Nested JSON arrays and objects, the message itself being the first. */
  readonly jsonDepth: number;
  /** Milliseconds from `initialize` until a session ends, however busy. */
  readonly sessionLifetimeMs: number;
  /** Milliseconds without activity until a session ends. */
  readonly sessionIdleMs: number;
  /** Milliseconds at most between an activity and its record in the store. */
  readonly sessionTouchMs: number;
  /** Live sessions of the whole gateway. */
  readonly sessions: number;
  /** Live sessions of one identity; anonymous sessions have no such limit. */
  readonly sessionsPerIdentity: number;
  /** Streams open at once in one session. */
  readonly streamsPerSession: number;
  /**
   * Streams open at once in one broker, of both eras. Each takes a file
   * descriptor, and a process that runs out of them once takes no connections
   * any more.
   */
  readonly streams: number;
  /**
   * `subscriptions/listen` streams of one identity; anonymous callers have no
   * such limit.
   */
  readonly listensPerIdentity: number;
  /** Milliseconds after which such a stream is ended, however busy. */
  readonly listenLifetimeMs: number;
  /**
   * Milliseconds that servers have to agree to tell of resources before the
   * client hears which of them do.
   */
  readonly listenPatienceMs: number;
  /** Resources that one session, or one stream, is subscribed to at once. */
  readonly subscriptionsPerSession: number;
  /** Bytes of the URI of a subscription, which the store keeps. */
  readonly subscriptionUriBytes: number;
  /**
   * Milliseconds after its `initialize` that an anonymous session which did
   * nothing since may give way to a new one.
   */
  readonly sessionExpendableMs: number;
  /** Calls in flight at once in one session. */
  readonly callsPerSession: number;
  /**
   * Answers and notifications of one session on their way to servers at once:
   * more than calls, as each call may be asked about and told of many times.
   */
  readonly relaysPerSession: number;
  /** Bytes of one server's whole list, all pages together. */
  readonly listBytes: number;
  /** Items taken of one list of one server: tools, prompts, resources. */
  readonly itemsPerServer: number;
  /** Pages of a list read from one server. */
  readonly pagesPerServer: number;
  /** Items of one page of a list that a client is given. */
  readonly listPageItems: number;
  /** Bytes of one page of a list that a client is given. */
  readonly listPageBytes: number;
  /**
   * Milliseconds that a client without sessions may take a list for current
   * without asking again, unless it is told of a change.
   */
  readonly listTtlMs: number;
  /** Messages of one batch (2025-03-26): each may be answered by a page. */
  readonly batchMessages: number;
  /**
   * Requests of one batch that are on their way to servers at once; the others
   * wait.
   */
  readonly batchCalls: number;
  /** Bytes of the answer to one request of a batch, or of one event of it. */
  readonly batchAnswerBytes: number;
  /** Milliseconds that an answer of a remote session store may take. */
  readonly storeMs: number;
  /** Milliseconds to connect to a server. */
  readonly connectMs: number;
  /**
   * Milliseconds to open a session with a server, connecting included. Stays
   * below the 10 s that Envoy waits for a message of the router.
   */
  readonly initializeMs: number;
  /** Milliseconds to read one server's list, all pages together. */
  readonly listMs: number;
  /** Events waiting for one client's stream; one more closes the client. */
  readonly queueEvents: number;
  /**
   * Bytes waiting for one client's stream, or one event that has more; one more
   * closes the client.
   */
  readonly queueBytes: number;
  /** Milliseconds between comments that keep a silent stream open. */
  readonly keepAliveMs: number;
  /**
   * Latest events of one client stream that are kept for a client that takes
   * it up again. More than its queue: what a slow client was closed for is
   * behind what it has not read yet.
   */
  readonly ringEvents: number;
  /** Bytes of them, or one event that has more. */
  readonly ringBytes: number;
  /**
   * Bytes kept for all client streams of one broker together; beyond them
   * those give for which most is kept.
   */
  readonly ringsBytes: number;
  /** Milliseconds that a stream whose connection is gone is waited for. */
  readonly streamGraceMs: number;
  /**
   * Streams of servers held open at once in one broker on behalf of its
   * clients' streams. Each takes a file descriptor.
   */
  readonly heldStreams: number;
  /** Bytes of events that one server has begun and not ended on all of them. */
  readonly unfinishedBytes: number;
  /** Client messages on their way from one broker to servers, at once. */
  readonly relayedMessages: number;
  /** Bytes of them. */
  readonly relayedBytes: number;
  /**
   * Calls of one identity at once that are translated for servers of the
   * session era; anonymous callers cannot be told apart, and have no limit.
   */
  readonly bridgedCallsPerIdentity: number;
  /** Such calls in one broker at once. */
  readonly bridgedCalls: number;
  /** Milliseconds that one may take in all, waits for its client included. */
  readonly bridgedCallMs: number;
  /** Bytes of its answer in JSON, or of one event of it. */
  readonly bridgedAnswerBytes: number;
  /**
   * Bytes of answers and events that one server has begun and not ended, in all
   * such calls and the sessions that they run in.
   */
  readonly bridgedUnfinishedBytes: number;
  /** Calls of one identity that wait for answers of their clients. */
  readonly parkedCallsPerIdentity: number;
  /** Such calls in one broker. */
  readonly parkedCalls: number;
  /** Milliseconds that a client may take to come back with answers. */
  readonly parkMs: number;
  /** Characters of questions and answers that one broker keeps for clients. */
  readonly parkedBytes: number;
  /** Those of one call. */
  readonly parkedBytesPerCall: number;
  /** Questions of one call that wait for an answer at once. */
  readonly questionsPerCall: number;
  /** Milliseconds after a server's question in which others join it. */
  readonly askTogetherMs: number;
  /** Times that a client is asked in one call. */
  readonly questionRounds: number;
  /** Sessions that one broker holds for clients of the stateless era. */
  readonly bridgeSessions: number;
  /** Those of one identity. */
  readonly bridgeSessionsPerIdentity: number;
  /** Milliseconds that one is kept that nobody uses. */
  readonly bridgeSessionIdleMs: number;
}

/** The defaults, in force wherever no option says otherwise. */
export const LIMITS: Limits = {
  bodyBytes: 4 * MIB,
  jsonDepth: 64,
  sessionLifetimeMs: 24 * HOUR,
  sessionIdleMs: 30 * MINUTE,
  sessionTouchMs: MINUTE,
  sessions: 10_000,
  sessionsPerIdentity: 100,
  streamsPerSession: 4,
  streams: 8_000,
  listensPerIdentity: 100,
  listenLifetimeMs: 24 * HOUR,
  listenPatienceMs: 2 * SECOND,
  subscriptionsPerSession: 256,
  subscriptionUriBytes: 4 * KIB,
  sessionExpendableMs: MINUTE,
  callsPerSession: 32,
  relaysPerSession: 256,
  listBytes: 10 * MIB,
  itemsPerServer: 1_000,
  pagesPerServer: 50,
  listPageItems: 1_000,
  listPageBytes: 4 * MIB,
  listTtlMs: 5 * SECOND,
  batchMessages: 64,
  batchCalls: 8,
  batchAnswerBytes: 16 * MIB,
  storeMs: 50,
  connectMs: 2 * SECOND,
  initializeMs: 8 * SECOND,
  listMs: 30 * SECOND,
  queueEvents: 256,
  queueBytes: MIB,
  keepAliveMs: 15 * SECOND,
  ringEvents: 512,
  ringBytes: 2 * MIB,
  ringsBytes: 64 * MIB,
  streamGraceMs: 30 * SECOND,
  heldStreams: 8_000,
  unfinishedBytes: 32 * MIB,
  relayedMessages: 1_000,
  relayedBytes: 32 * MIB,
  bridgedCallsPerIdentity: 32,
  bridgedCalls: 1_000,
  bridgedCallMs: HOUR,
  bridgedAnswerBytes: 16 * MIB,
  bridgedUnfinishedBytes: 128 * MIB,
  parkedCallsPerIdentity: 32,
  parkedCalls: 1_000,
  parkMs: 5 * MINUTE,
  parkedBytes: 64 * MIB,
  parkedBytesPerCall: 8 * MIB,
  questionsPerCall: 32,
  askTogetherMs: 25,
  questionRounds: 16,
  bridgeSessions: 2_000,
  bridgeSessionsPerIdentity: 32,
  bridgeSessionIdleMs: 5 * MINUTE,
};
