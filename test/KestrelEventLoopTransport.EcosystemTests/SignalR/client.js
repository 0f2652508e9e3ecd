// A client of TestHub, run by node: client.js NODE_MODULES ADDRESS. Prints a line for each transport that did all.
'use strict';
const assert = require('assert');
const { createRequire } = require('module');
const [modules, address] = process.argv.slice(2);
const load = createRequire(modules + '/');
const signalR = load('@microsoft/signalr');
const { MessagePackHubProtocol } = load('@microsoft/signalr-protocol-msgpack');

const wires = [
  ['WebSockets', signalR.HttpTransportType.WebSockets],
  ['WebSockets, MessagePack', signalR.HttpTransportType.WebSockets, new MessagePackHubProtocol()],
  ['ServerSentEvents', signalR.HttpTransportType.ServerSentEvents],
  ['LongPolling', signalR.HttpTransportType.LongPolling],
  ['LongPolling, MessagePack', signalR.HttpTransportType.LongPolling, new MessagePackHubProtocol()],
];

function connect(transport, protocol) {
  const builder = new signalR.HubConnectionBuilder()
    .withUrl(address, { transport })
    .withAutomaticReconnect(Array(1000).fill(20))
    .configureLogging(signalR.LogLevel.None);
  return (protocol ? builder.withHubProtocol(protocol) : builder).build();
}

function collect(stream) {
  const items = [];
  return new Promise((resolve, reject) =>
    stream.subscribe({ next: item => items.push(item), error: reject, complete: () => resolve(items) }));
}

function upload(count) {
  const subject = new signalR.Subject();
  setImmediate(() => {
    for (let i = 0; i < count; i++) subject.next(i);
    subject.complete();
  });
  return subject;
}

async function callAll(hub) {
  const text = 'ä'.repeat(300000);
  const shouted = new Promise(resolve => hub.on('Shouted', text => text === hub.connectionId && resolve()));
  assert.strictEqual(await hub.invoke('Echo', text), text);
  await hub.send('Shout', hub.connectionId);
  await shouted;
  const counted = await collect(hub.stream('Count', 300));
  assert.deepStrictEqual(counted, [...Array(300).keys()]);
  assert.strictEqual(await hub.invoke('Sum', upload(300)), 299 * 300 / 2);
  assert.deepStrictEqual(await collect(hub.stream('Converse', upload(4))), [0, 1, 3, 6]);
}

async function run([name, transport, protocol]) {
  const hub = connect(transport, protocol);
  await hub.start();
  await callAll(hub);
  if (transport !== signalR.HttpTransportType.LongPolling) {
    const reconnected = new Promise(resolve => hub.onreconnected(resolve));
    await hub.send('Cut');
    await reconnected;
    assert.strictEqual(await hub.invoke('Echo', 'back'), 'back');
  }

  const closed = new Promise(resolve => hub.onclose(resolve));
  await hub.send('Leave');
  await closed;
  console.log(name);
}

Promise.all(wires.map(run)).catch(error => {
  console.error(error);
  process.exit(1);
});
