/**
 * The events of one session, kept so that its streams can be resumed.
 *
 * @module
 */

// @ts-types="@modelcontextprotocol/sdk/server/webStandardStreamableHttp"
import type {
  EventId,
  EventStore,
  StreamId,
} from "@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js";
// @ts-types="@modelcontextprotocol/sdk/types"
import type { JSONRPCMessage } from "@modelcontextprotocol/sdk/types.js";

interface StoredEvent {
  readonly stream: StreamId;
  readonly message: JSONRPCMessage;
}

/** Keeps every event; a test's session is short. */
export class MemoryEventStore implements EventStore {
  readonly #events: StoredEvent[] = [];

  /** Keeps an event; its id is its number in the session. */
  storeEvent(stream: StreamId, message: JSONRPCMessage): Promise<EventId> {
    return Promise.resolve(String(this.#events.push({ stream, message })));
  }

  /** Names the stream that an event was on. */
  getStreamIdForEventId(id: EventId): Promise<StreamId | undefined> {
    return Promise.resolve(this.#event(id)?.stream);
  }

  /** Sends the messages that came after an event on its stream. */
  async replayEventsAfter(
    lastId: EventId,
    { send }: {
      send: (id: EventId, message: JSONRPCMessage) => Promise<void>;
    },
  ): Promise<StreamId> {
    const stream = this.#event(lastId)?.stream;
    if (stream === undefined) throw new Error(`There is no event ${lastId}`);
    for (let at = Number(lastId); at < this.#events.length; at++) {
      const event = this.#events[at];
      // A priming event has no message.
      if (event?.stream !== stream || !("jsonrpc" in event.message)) continue;
      await send(String(at + 1), event.message);
    }
    return stream;
  }

  #event(id: EventId): StoredEvent | undefined {
    return this.#events[Number(id) - 1];
  }
}
