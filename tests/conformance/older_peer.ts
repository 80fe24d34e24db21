/**
 * Turns what speaks the newest revision into something older: forwards a
 * conversation and asks for another revision in its `initialize`. In front of
 * a server it makes the server an older one, in front of a gateway the client.
 *
 * @module
 */

/** A forwarder that runs. */
export interface OlderPeer extends AsyncDisposable {
  /** Where to connect instead: `http://127.0.0.1:PORT/mcp`. */
  readonly url: string;
}

/** Starts a forwarder on a free port of loopback. */
export function startOlderPeer(target: string, revision: string): OlderPeer {
  const listener = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request) => {
      const headers = new Headers(request.headers);
      // These are the forwarder's own business.
      for (const name of ["host", "content-length"]) headers.delete(name);
      const text = await request.text();
      const response = await fetch(target, {
        method: request.method,
        headers,
        ...text === "" ? {} : { body: asRevision(text, revision) },
      });
      return new Response(response.body, response);
    },
  );
  return {
    url: `http://127.0.0.1:${listener.addr.port}/mcp`,
    [Symbol.asyncDispose]: () => listener.shutdown(),
  };
}

function asRevision(text: string, revision: string): string {
  const message = JSON.parse(text);
  if (message.method !== "initialize") return text;
  message.params.protocolVersion = revision;
  return JSON.stringify(message);
}
