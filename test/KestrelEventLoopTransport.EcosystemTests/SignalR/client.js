// A client of TestHub, run by node: client.js NODE_MODULES ADDRESS. Prints a line for each wire that did all.
'use strict';
const { createRequire } = require('module');
const { transports, useHub } = require('./hub.js');
const [modules, address] = process.argv.slice(2);
const load = createRequire(modules + '/');
const signalR = load('@microsoft/signalr');
const { MessagePackHubProtocol } = load('@microsoft/signalr-protocol-msgpack');

const json = () => new signalR.HubConnectionBuilder();
const messagePack = () => json().withHubProtocol(new MessagePackHubProtocol());
const wires = [
  ['WebSockets', transports.WebSockets, json],
  ['WebSockets, MessagePack', transports.WebSockets, messagePack],
  ['ServerSentEvents', transports.ServerSentEvents, json],
  ['LongPolling', transports.LongPolling, json],
  ['LongPolling, MessagePack', transports.LongPolling, messagePack],
];

async function run([name, transport, createBuilder]) {
  await useHub(createBuilder(), address, transport, () => new signalR.Subject());
  console.log(name);
}

// Idle connections would keep the process for seconds.
Promise.all(wires.map(run)).then(() => process.exit(0), error => {
  console.error(error);
  process.exit(1);
});
