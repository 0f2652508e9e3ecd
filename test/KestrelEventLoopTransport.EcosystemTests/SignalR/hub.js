// What a client of TestHub does, in node (client.js) and in a browser (browser.js).
'use strict';

// HttpTransportType of SignalR's client.
const transports = { WebSockets: 1, ServerSentEvents: 2, LongPolling: 4 };
const noLogs = 6;

function check(actual, expected) {
  const [is, should] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (is !== should) throw new Error(`${is.slice(0, 200)} is not ${should.slice(0, 200)}`);
}

function collect(stream) {
  const items = [];
  return new Promise((resolve, reject) =>
    stream.subscribe({ next: item => items.push(item), error: reject, complete: () => resolve(items) }));
}

function upload(subject, count) {
  setTimeout(() => {
    for (let i = 0; i < count; i++) subject.next(i);
    subject.complete();
  });
  return subject;
}

async function callAll(hub, createSubject) {
  const text = 'ä'.repeat(300000);
  const shouted = new Promise(resolve => hub.on('Shouted', text => text === hub.connectionId && resolve()));
  check(await hub.invoke('Echo', text), text);
  await hub.send('Shout', hub.connectionId);
  await shouted;
  check(await collect(hub.stream('Count', 300)), [...Array(300).keys()]);
  check(await hub.invoke('Sum', upload(createSubject(), 50)), 49 * 50 / 2);
  check(await collect(hub.stream('Converse', upload(createSubject(), 4))), [0, 1, 3, 6]);
}

// Calls, streams, comes back and is sent away.
async function useHub(builder, address, transport, createSubject) {
  const hub = builder
    .withUrl(address, { transport })
    .withAutomaticReconnect(Array(1000).fill(20))
    .configureLogging(noLogs)
    .build();
  await hub.start();
  await callAll(hub, createSubject);
  if (transport !== transports.LongPolling) {
    const reconnected = new Promise(resolve => hub.onreconnected(resolve));
    await hub.send('Cut');
    await reconnected;
    check(await hub.invoke('Echo', 'back'), 'back');
  }

  const closed = new Promise(resolve => hub.onclose(resolve));
  await hub.send('Leave');
  await closed;
}

if (typeof module !== 'undefined') module.exports = { transports, useHub };
