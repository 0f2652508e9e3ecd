// A client of TestHub, run by a browser whose page has Blazor's script: SignalR's client is in it.
'use strict';

// Blazor shows a builder to who configures its connection, which is not made here.
function findBuilder() {
  return new Promise(resolve => Blazor.start({
    initializers: { beforeStart: [], afterStart: [] },
    configureSignalR: builder => {
      resolve(builder.constructor);
      throw new Error('enough');
    },
  }).catch(() => {}));
}

// SignalR's own is hidden in the script.
class Subject {
  subscribe(observer) {
    this.observer = observer;
    return { dispose() {} };
  }

  next(item) { this.observer.next(item); }

  complete() { this.observer.complete(); }
}

// The names of the wires that did all.
async function useHubOverEveryWire(address) {
  const Builder = await findBuilder();
  return await Promise.all(Object.entries(transports).map(async ([name, transport]) => {
    await useHub(new Builder(), address, transport, () => new Subject());
    return name;
  }));
}
