import { Buffer } from "node:buffer";
import { assert, assertEquals, assertGreater } from "@std/assert";
import fc from "fast-check";
import type { GrpcCall } from "../grpc_call.ts";
import { H2Connection } from "./connection.ts";
import * as h2 from "./frames.ts";
import { FrameSplitter, uint32 } from "./frame_splitter.ts";

const PREFACE = new TextEncoder().encode(h2.PREFACE);
const ANSWER_HEAD = "880f10106170706c69636174696f6e2f67727063";
/** `:method: POST`, `:scheme: http`, `:path: /s/M`, `content-type: application/grpc`. */
const REQUEST = Buffer.from(
  "8386" + "0404" + Buffer.from("/s/M").toString("hex") + "0f1010" +
    Buffer.from("application/grpc").toString("hex"),
  "hex",
);

function frame(
  type: number,
  flags: number,
  stream: number,
  payload: Uint8Array | readonly number[] = [],
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, Uint8Array.from(payload)]);
}

function message(bytes: number): Buffer {
  const all = Buffer.alloc(5 + bytes, 7);
  all[0] = 0;
  all.writeUInt32BE(bytes, 1);
  return all;
}

function uint32Of(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

const setting = (name: number, value: number) =>
  Buffer.concat([Uint8Array.of(0, name), uint32Of(value)]);

/** A connection, the peer of which is a test. */
function connect() {
  const splitter = new FrameSplitter(0xffffff);
  splitter.push(PREFACE);
  assertEquals(splitter.next(), undefined);
  let written: Uint8Array[] = [];
  const calls: {
    readonly call: GrpcCall;
    readonly said: string[];
    /** Answers what has come, where it is not answered at once. */
    answer: () => void;
  }[] = [];
  const state = { ended: false, defects: [] as unknown[], written: 0 };
  const held = { back: false };
  const connection = new H2Connection({
    methods: new Map([["/s/M", (call) => {
      const said: string[] = [];
      const one = { call, said, answer: () => {} };
      calls.push(one);
      return {
        message(bytes) {
          said.push(`message of ${bytes.length}`);
          if (!held.back) return Promise.resolve();
          return new Promise<void>((resolve) => one.answer = resolve);
        },
        end: () => void said.push("end"),
        cancelled: () => void said.push("cancelled"),
      };
    }]]),
    write: (bytes, done) => {
      state.written += bytes.length;
      written.push(bytes.slice());
      done();
    },
    end: () => state.ended = true,
    onDefect: (error) => state.defects.push(error),
  });
  return {
    connection,
    calls,
    state,
    held,
    send(...frames: readonly Uint8Array[]) {
      const memory = new Uint8Array(Buffer.concat(frames));
      connection.receive(memory);
      // The caller's again.
      memory.fill(0);
    },
    greet(...settings: readonly Buffer[]) {
      this.send(PREFACE, frame(h2.SETTINGS, 0, 0, Buffer.concat(settings)));
      this.frames();
    },
    /** What has been written since. */
    frames(): h2.Frame[] {
      connection.output.flush();
      splitter.push(Buffer.concat(written));
      written = [];
      const frames: h2.Frame[] = [];
      for (let next = splitter.next(); next !== undefined;) {
        assert(typeof next !== "string");
        frames.push(next);
        next = splitter.next();
      }
      return frames;
    },
  };
}

const request = (stream: number) =>
  frame(h2.HEADERS, h2.END_HEADERS, stream, REQUEST);

Deno.test("H2Connection answers a call: head, message, status", async () => {
  const peer = connect();
  peer.greet();
  peer.send(request(1), frame(h2.DATA, h2.END_STREAM, 1, message(3)));
  const [one] = peer.calls;
  assert(one !== undefined);
  assertEquals(one.said, ["message of 3", "end"]);
  one.call.write(Uint8Array.of(1, 2));
  one.call.end();
  const [head, data, status] = peer.frames();
  assertEquals([head?.type, head?.flags], [h2.HEADERS, h2.END_HEADERS]);
  assertEquals(Buffer.from(head!.payload).toString("hex"), ANSWER_HEAD);
  assertEquals([...data!.payload], [0, 0, 0, 0, 2, 1, 2]);
  assertEquals(status?.flags, h2.END_HEADERS | h2.END_STREAM);
  assertEquals(
    Buffer.from(status!.payload).toString("latin1"),
    "\0\x0bgrpc-status\x010",
  );
  await Promise.resolve();
  assertEquals(one.said, ["message of 3", "end"]);
});

Deno.test("H2Connection reads headers that come in pieces", () => {
  const peer = connect();
  peer.greet();
  const pieces = [REQUEST.subarray(0, 3), REQUEST.subarray(3, 9)];
  peer.send(frame(h2.HEADERS, 0, 1, pieces[0]));
  peer.send(frame(h2.CONTINUATION, 0, 1, pieces[1]));
  peer.send(frame(h2.CONTINUATION, h2.END_HEADERS, 1, REQUEST.subarray(9)));
  assertEquals(peer.calls.length, 1);
});

Deno.test("H2Connection tells of a call that failed", () => {
  const peer = connect();
  peer.greet();
  peer.send(request(1));
  peer.calls[0]?.call.fail();
  const status = peer.frames().at(-1);
  assertEquals(
    Buffer.from(status!.payload).toString("latin1"),
    "\0\x0bgrpc-status\x0213",
  );
});

for (
  const { name, block, want } of [
    {
      name: "a method that there is not",
      block: Buffer.concat([
        REQUEST.subarray(0, 7),
        Buffer.from("X"),
        REQUEST.subarray(8),
      ]),
      want: "\0\x0bgrpc-status\x0212",
    },
    {
      name: "what is no gRPC",
      block: Buffer.from("828684", "hex"),
      want: "gRPC is spoken here.\n",
    },
  ]
) {
  Deno.test(`H2Connection answers ${name}`, () => {
    const peer = connect();
    peer.greet();
    peer.send(frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, 1, block));
    const last = peer.frames().at(-1);
    assertEquals(Buffer.from(last!.payload).toString("latin1"), want);
    assertEquals(last!.flags & h2.END_STREAM, h2.END_STREAM);
    assertEquals(peer.calls.length, 0);
  });
}

Deno.test("H2Connection sends no more than the peer takes, and all of it in the end", () => {
  const peer = connect();
  peer.greet(setting(h2.INITIAL_WINDOW_SIZE, 10));
  peer.send(request(1));
  const { call } = peer.calls[0]!;
  const sent = Uint8Array.from({ length: 100 }, (_, i) => i);
  const memory = sent.slice();
  call.write(memory);
  // The caller's again.
  memory.fill(0);
  call.end();
  const got: number[] = [];
  const take = () => {
    const data = peer.frames().filter(({ type }) => type === h2.DATA);
    for (const { payload } of data) got.push(...payload);
    return got.length;
  };
  assertEquals(take(), 10);
  peer.send(frame(h2.WINDOW_UPDATE, 0, 1, uint32Of(20)));
  assertEquals(take(), 30);
  // Smaller than what was sent already: below zero, until it is made good.
  peer.send(frame(h2.SETTINGS, 0, 0, setting(h2.INITIAL_WINDOW_SIZE, 0)));
  peer.send(frame(h2.WINDOW_UPDATE, 0, 1, uint32Of(10)));
  assertEquals(take(), 30);
  peer.send(frame(h2.SETTINGS, 0, 0, setting(h2.INITIAL_WINDOW_SIZE, 1_000)));
  assertEquals(take(), 105);
  assertEquals(got.slice(5), [...sent]);
});

Deno.test("H2Connection keeps messages that wait for the peer, in their order", () => {
  const peer = connect();
  peer.greet(setting(h2.INITIAL_WINDOW_SIZE, 0));
  peer.send(request(1));
  const { call } = peer.calls[0]!;
  const memory = new Uint8Array(3);
  const want: number[] = [];
  for (let i = 1; i <= 4; i++) {
    memory.fill(i);
    call.write(memory);
    want.push(0, 0, 0, 0, 3, i, i, i);
    peer.send(frame(h2.WINDOW_UPDATE, 0, 1, uint32Of(i)));
  }
  call.end();
  peer.send(frame(h2.WINDOW_UPDATE, 0, 1, uint32Of(100)));
  const got = peer.frames().filter(({ type }) => type === h2.DATA);
  assertEquals(got.flatMap(({ payload }) => [...payload]), want);
});

Deno.test("H2Connection shares the connection's window out among streams", () => {
  const peer = connect();
  peer.greet(setting(h2.INITIAL_WINDOW_SIZE, 1_000_000));
  peer.send(request(1), request(3));
  for (const { call } of peer.calls) {
    call.write(new Uint8Array(60_000));
    call.end();
  }
  const bytesOf = (frames: readonly h2.Frame[]) =>
    frames.filter(({ type }) => type === h2.DATA)
      .reduce((sum, { payload }) => sum + payload.length, 0);
  assertEquals(bytesOf(peer.frames()), 65_535);
  peer.send(frame(h2.WINDOW_UPDATE, 0, 0, uint32Of(1_000_000)));
  const rest = peer.frames();
  assertEquals(bytesOf(rest), 2 * 60_005 - 65_535);
  assertEquals(
    rest.filter(({ flags, type }) =>
      type === h2.HEADERS && (flags & h2.END_STREAM) !== 0
    ).length,
    1,
  ); // the first one's status went out at once
});

/** A message in frames. */
function data(stream: number, bytes: number): Buffer[] {
  const all = message(bytes);
  const frames: Buffer[] = [];
  for (let at = 0; at < all.length; at += 16_384) {
    frames.push(frame(h2.DATA, 0, stream, all.subarray(at, at + 16_384)));
  }
  return frames;
}

Deno.test("H2Connection takes a message larger than the window, and the next one once that is answered", async () => {
  const peer = connect();
  peer.greet();
  peer.held.back = true;
  peer.send(request(1));
  const widened = () =>
    peer.frames().filter(({ type, stream }) =>
      type === h2.WINDOW_UPDATE && stream === 1
    ).reduce((sum, { payload }) => sum + uint32(payload, 0), 0);
  let window = 1024 * 1024;
  for (const part of data(1, 4_000_000)) {
    assertGreater(window, 16_384);
    peer.send(part);
    window += widened() - (part.length - 9);
  }
  assertEquals(peer.calls[0]?.said, ["message of 4000000"]);
  // The second one comes as far as the window goes.
  const second = data(1, 2_000_000);
  while (window >= 16_384) {
    const part = second.shift()!;
    peer.send(part);
    window += widened() - (part.length - 9);
  }
  assertEquals(widened(), 0);
  peer.calls[0]?.answer();
  await Promise.resolve();
  await Promise.resolve();
  assertGreater(widened(), 500_000);
});

Deno.test("H2Connection breaks off a stream that goes on behind its end", () => {
  const peer = connect();
  peer.greet();
  peer.send(
    frame(h2.HEADERS, h2.END_HEADERS, 1, REQUEST),
    frame(h2.DATA, h2.END_STREAM, 1, message(1)),
    frame(h2.DATA, 0, 1, message(1)),
  );
  const [reset, ...rest] = peer.frames();
  assertEquals([reset?.type, reset?.stream], [h2.RST_STREAM, 1]);
  assertEquals(uint32(reset!.payload, 0), h2.STREAM_CLOSED);
  assertEquals(rest, []);
  const [{ call, said }] = peer.calls as [typeof peer.calls[number]];
  assertEquals(said, ["message of 1", "end", "cancelled"]);
  call.write(new Uint8Array(1));
  assertEquals(peer.frames(), []);
});

Deno.test("H2Connection refuses what is too much at once, and takes more when that is done", () => {
  const peer = connect();
  peer.greet();
  const begin = (stream: number) =>
    peer.send(frame(h2.HEADERS, h2.END_HEADERS, stream, REQUEST));
  const MOST = 10_000;
  for (let n = 0; n < MOST; n++) begin(2 * n + 1);
  assertEquals(peer.frames(), []);
  const next = 2 * MOST + 1;
  begin(next);
  assertEquals(peer.calls.length, MOST);
  const [refused] = peer.frames();
  assertEquals([refused?.type, refused?.stream], [h2.RST_STREAM, next]);
  assertEquals(uint32(refused!.payload, 0), h2.REFUSED_STREAM);
  peer.send(frame(h2.RST_STREAM, 0, 1, uint32Of(h2.CANCEL)));
  begin(next + 2);
  assertEquals(peer.calls.length, MOST + 1);
});

Deno.test("H2Connection breaks off a stream that sends beyond its window", () => {
  const peer = connect();
  peer.greet();
  peer.held.back = true;
  peer.send(request(1), ...data(1, 10));
  peer.send(...data(1, 2_000_000));
  const reset = peer.frames().find(({ type }) => type === h2.RST_STREAM);
  assertEquals(uint32(reset!.payload, 0), h2.FLOW_CONTROL_ERROR);
  assertEquals(peer.calls[0]?.said.at(-1), "cancelled");
  assertEquals(peer.state.ended, false);
});

Deno.test("H2Connection tells who answers that the peer gave up, once, and not behind the end", () => {
  const peer = connect();
  peer.greet();
  const reset = (stream: number) =>
    frame(h2.RST_STREAM, 0, stream, uint32Of(h2.CANCEL));
  peer.send(request(1), request(3));
  peer.calls[1]?.call.end();
  peer.send(reset(1), reset(1), reset(3));
  assertEquals(peer.calls.map(({ said }) => said), [["cancelled"], []]);
  // What is said now is said to nobody.
  peer.frames();
  peer.calls[0]?.call.write(Uint8Array.of(1));
  peer.calls[0]?.call.end();
  assertEquals(peer.frames(), []);
});

Deno.test("H2Connection.lost() cancels what is under way", () => {
  const peer = connect();
  peer.greet();
  peer.send(request(1));
  peer.connection.lost();
  assertEquals(peer.calls[0]?.said, ["cancelled"]);
  assertEquals(peer.state.ended, false);
});

Deno.test("H2Connection.close() says goodbye behind what was said before", () => {
  const peer = connect();
  peer.greet();
  peer.send(request(1), frame(h2.DATA, h2.END_STREAM, 1, message(0)));
  peer.calls[0]?.call.end();
  peer.connection.close();
  const frames = peer.frames();
  assertEquals(frames.map(({ type }) => type), [
    h2.HEADERS,
    h2.HEADERS,
    h2.GOAWAY,
  ]);
  assertEquals([uint32(frames[2]!.payload, 0), uint32(frames[2]!.payload, 4)], [
    1,
    h2.NO_ERROR,
  ]);
  assertEquals(peer.state.ended, true);
});

for (
  const { name, bytes, want } of [
    {
      name: "headers that go on for ever",
      bytes: [
        frame(h2.HEADERS, 0, 1, REQUEST),
        ...Array.from(
          { length: 5 },
          () => frame(h2.CONTINUATION, 0, 1, new Uint8Array(16_384)),
        ),
      ],
      want: h2.ENHANCE_YOUR_CALM,
    },
    {
      name: "headers that are continued by nothing",
      bytes: [
        frame(h2.HEADERS, 0, 1, REQUEST),
        ...Array.from({ length: 101 }, () => frame(h2.CONTINUATION, 0, 1)),
      ],
      want: h2.ENHANCE_YOUR_CALM,
    },
    {
      name: "a header block that cannot be read",
      bytes: [frame(h2.HEADERS, h2.END_HEADERS, 1, [0x80])],
      want: h2.COMPRESSION_ERROR,
    },
    {
      name: "data of no stream",
      bytes: [frame(h2.DATA, 0, 7, [1])],
      want: h2.PROTOCOL_ERROR,
    },
    {
      name: "a window of more than there is",
      bytes: [frame(h2.WINDOW_UPDATE, 0, 0, uint32Of(0x7fffffff))],
      want: h2.FLOW_CONTROL_ERROR,
    },
  ]
) {
  Deno.test(`H2Connection ends on ${name}`, () => {
    const peer = connect();
    peer.greet();
    peer.send(...bytes);
    const last = peer.frames().at(-1);
    assertEquals(last?.type, h2.GOAWAY);
    assertEquals(uint32(last!.payload, 4), want);
    assertEquals(peer.state.ended, true);
  });
}

Deno.test("H2Connection ignores what was on its way to a stream that it broke off", () => {
  const peer = connect();
  peer.greet();
  peer.send(request(1), frame(h2.WINDOW_UPDATE, 0, 1, uint32Of(0)));
  peer.send(
    frame(h2.DATA, 0, 1, message(5)),
    frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, 1, []),
    frame(h2.PING, 0, 0, new Uint8Array(8)),
  );
  assertEquals(peer.frames().map(({ type }) => type), [h2.RST_STREAM, h2.PING]);
});

Deno.test("H2Connection tells of a defect, and ends that connection alone", () => {
  const defects: unknown[] = [];
  let ended = false;
  const connection = new H2Connection({
    methods: new Map([["/s/M", () => {
      throw new Error("a defect");
    }]]),
    write: () => {},
    end: () => ended = true,
    onDefect: (error) => defects.push(error),
  });
  connection.receive(
    Buffer.concat([PREFACE, frame(h2.SETTINGS, 0, 0), request(1)]),
  );
  assertEquals([defects.length, ended], [1, true]);
});

const anyFrame = fc.oneof(
  fc.record({
    type: fc.nat(10),
    flags: fc.constantFrom(0, 1, 4, 5, 8, 0x20, 0x2d, 255),
    stream: fc.constantFrom(0, 1, 1, 3, 5, 2, 0x7fffffff),
    payload: fc.uint8Array({ maxLength: 24 }),
  }).map(({ type, flags, stream, payload }) =>
    frame(type, flags, stream, payload)
  ),
  fc.constantFrom(1, 3, 5).map(request),
  fc.tuple(fc.constantFrom(1, 3), fc.nat(30), fc.boolean()).map((
    [stream, bytes, end],
  ) => frame(h2.DATA, end ? 1 : 0, stream, message(bytes))),
  fc.constantFrom(1, 3).map((stream) =>
    frame(h2.WINDOW_UPDATE, 0, stream, uint32Of(70_000))
  ),
);

Deno.test("H2Connection survives any frames: no defect, at most one goodbye, no answer longer than its questions by much", () => {
  fc.assert(
    fc.property(fc.array(anyFrame, { maxLength: 30 }), (frames) => {
      const peer = connect();
      peer.greet();
      peer.state.written = 0;
      for (const one of frames) {
        peer.send(one);
        for (const { call, said } of peer.calls) {
          if (said.at(-1) === "end") call.end();
        }
      }
      const sent = peer.frames();
      assertEquals(peer.state.defects, []);
      const goodbyes = sent.filter(({ type }) => type === h2.GOAWAY).length;
      assertEquals(goodbyes, peer.state.ended ? 1 : 0);
      assert(peer.state.written <= 100 * frames.length);
      for (const { said } of peer.calls) {
        const last = said.findIndex((word) => word === "cancelled");
        assert(last === -1 || last === said.length - 1);
      }
    }),
    { numRuns: 3_000 },
  );
});
