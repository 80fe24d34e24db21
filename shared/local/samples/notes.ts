/**
 * A sample MCP server: a notebook in memory, on the v1 SDK. Its `lock` and
 * `unlock` tools change which tools there are, so that a client can watch
 * `notifications/tools/list_changed` arrive.
 *
 * @module
 */

// @ts-types="@modelcontextprotocol/sdk/server/mcp"
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { z } from "zod";
import { serveSessions, type SessionServer } from "./session_server.ts";

interface Note {
  readonly id: number;
  readonly text: string;
  readonly tags: readonly string[];
}

/** The tools that one session has, and whether they may write. */
interface Desk {
  setLocked(locked: boolean): void;
}

const MAX_NOTES = 1_000;

/** Starts the server; every session shares one notebook. */
export function startNotesServer(
  options: { readonly port?: number } = {},
): SessionServer {
  const notes = new Map<number, Note>();
  const desks = new Set<Desk>();
  let nextId = 1;
  let locked = false;

  function setLocked(value: boolean): void {
    locked = value;
    for (const desk of desks) desk.setLocked(value);
  }

  function create(): McpServer {
    const server = new McpServer({ name: "notes", version: "1.0.0" }, {
      instructions:
        "A notebook that lasts as long as its server. Locked, it can be read only.",
    });

    const add = server.registerTool("add", {
      description: "Writes a note and tells its number",
      inputSchema: {
        text: z.string().min(1).max(10_000),
        tags: z.array(z.string()).default([]),
      },
    }, ({ text, tags }) => {
      if (notes.size >= MAX_NOTES) {
        return {
          ...say(`The notebook is full: ${MAX_NOTES} notes`),
          isError: true,
        };
      }
      const id = nextId++;
      notes.set(id, { id, text, tags });
      return say(`Note ${id} written`);
    });
    const remove = server.registerTool(
      "remove",
      {
        description: "Removes a note by its number",
        inputSchema: { id: z.number().int() },
      },
      ({ id }) =>
        notes.delete(id)
          ? say(`Note ${id} removed`)
          : { ...say(`There is no note ${id}`), isError: true },
    );
    server.registerTool(
      "list",
      {
        description: "Lists all notes, or those with a tag",
        inputSchema: { tag: z.string().optional() },
      },
      ({ tag }) =>
        show(
          [...notes.values()].filter((note) =>
            tag === undefined || note.tags.includes(tag)
          ),
        ),
    );
    server.registerTool(
      "search",
      {
        description: "Finds notes that contain a text, whatever its case",
        inputSchema: { text: z.string().min(1) },
      },
      ({ text }) =>
        show(
          [...notes.values()].filter((note) =>
            note.text.toLowerCase().includes(text.toLowerCase())
          ),
        ),
    );
    const lock = server.registerTool("lock", {
      description: "Makes the notebook read-only: add and remove disappear",
    }, () => {
      setLocked(true);
      return say("The notebook is locked");
    });
    const unlock = server.registerTool("unlock", {
      description: "Makes the notebook writable again",
    }, () => {
      setLocked(false);
      return say("The notebook is open");
    });

    const desk: Desk = {
      setLocked(locked) {
        add.update({ enabled: !locked });
        remove.update({ enabled: !locked });
        lock.update({ enabled: !locked });
        unlock.update({ enabled: locked });
      },
    };
    desk.setLocked(locked);
    desks.add(desk);
    server.server.onclose = () => void desks.delete(desk);
    return server;
  }

  return serveSessions({ ...options, create });
}

interface TextResult {
  readonly [member: string]: unknown;
  content: { type: "text"; text: string }[];
}

function say(text: string): TextResult {
  return { content: [{ type: "text", text }] };
}

function show(notes: readonly Note[]): TextResult {
  if (notes.length === 0) return say("No notes");
  return say(
    notes.map(({ id, text, tags }) =>
      `${id}. ${text}${tags.map((tag) => ` #${tag}`).join("")}`
    ).join("\n"),
  );
}
