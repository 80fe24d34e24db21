import { MemoryStore } from "./memory_store.ts";
import { storeContract } from "./store_contract.ts";

storeContract("MemoryStore", () => {
  const store = new MemoryStore();
  return Promise.resolve({
    connect: () => Promise.resolve(store),
    [Symbol.asyncDispose]: () => store.close(),
  });
});
