using System.Net;
using System.Net.Sockets;

namespace KestrelEventLoopTransport.Tests.Datagrams;

/// <summary>An endpoint and the others on its loop: blocked handlers, floods and the stop.</summary>
[Collection(ProcessWide.Name)]
public sealed class DatagramLoopTests
{
    [Fact]
    public async Task A_handler_that_blocks_keeps_neither_its_answer_nor_its_loop()
    {
        using var release = new ManualResetEventSlim();
        await using var server = await DatagramServer.StartAsync(
            ApplicationScheduling.Adaptive,
            (datagrams, sender) =>
            {
                DatagramScript.Echo(datagrams, sender);
                release.Wait();
                DatagramScript.Echo(datagrams, sender);
            },
            loops: 1);
        using var client = server.Connect();
        try
        {
            // What was sent before the call blocked goes out although it does not return.
            DatagramServer.RoundTrip(client, [1]);

            // The loop serves connections.
            using var connection = await RawClient.ConnectAsync(server.Tcp);
            await Echo.RoundTripAsync(connection);
        }
        finally
        {
            release.Set();
        }

        Assert.Equal([1], DatagramServer.Receive(client));
        DatagramServer.RoundTrip(client, [2]);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Connections_are_served_while_datagrams_flood(ApplicationScheduling scheduling)
    {
        // The handler itself sends twice what a call receives, so the socket is never empty.
        Socket? client = null;
        var ends = false;
        await using var server = await DatagramServer.StartAsync(
            scheduling,
            (_, _) =>
            {
                for (var i = 0; i < 64 && !Volatile.Read(ref ends); i++)
                {
                    client!.Send([1, 2, 3]);
                }
            },
            loops: 1);
        using (client = server.Connect())
        {
            client.Send([1]);
            try
            {
                await Poll.UntilAsync(() => server.Endpoint.ReceivedDatagrams > 1_000);
                using var connection = await RawClient.ConnectAsync(server.Tcp);
                for (var i = 0; i < 50; i++)
                {
                    await Echo.RoundTripAsync(connection);
                }
            }
            finally
            {
                Volatile.Write(ref ends, true);
                await server.StopAsync();
            }
        }
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_stop_while_threads_send_ends_all_and_leaves_no_descriptor(ApplicationScheduling scheduling)
    {
        var before = ProcessState.Descriptors().Count();
        await using (var server = await DatagramServer.StartAsync(scheduling, DatagramScript.Echo))
        {
            using var client = server.Connect();
            var address = DatagramAddress.FromEndPoint((IPEndPoint)client.LocalEndPoint!);
            var senders = Enumerable.Range(0, 3).Select(_ => Task.Run(() =>
            {
                while (server.Endpoint.Sender.Send([1], address).Status != DatagramSendStatus.Stopped)
                {
                    client.Send([2]);
                }
            })).ToList();
            await Poll.UntilAsync(() => server.Endpoint.ReceivedDatagrams > 100);

            await server.StopAsync();

            // The endpoint is closed: the client's system says so.
            foreach (var sender in senders)
            {
                try
                {
                    await sender.DefaultTimeout();
                }
                catch (SocketException exception)
                {
                    Assert.Equal(SocketError.ConnectionRefused, exception.SocketErrorCode);
                }
            }

            Assert.True(server.Script.IsDisposed);
            Assert.Equal(DatagramSendStatus.Stopped, server.Endpoint.Sender.Send([1], address).Status);
        }

        await Poll.UntilAsync(() => ProcessState.Descriptors().Count() <= before);
    }

    [Fact]
    public async Task A_stop_waits_for_the_handler_and_sends_its_answer()
    {
        using var release = new ManualResetEventSlim();
        var entered = Signal.New();
        await using var server = await DatagramServer.StartAsync(
            ApplicationScheduling.Adaptive,
            (datagrams, sender) =>
            {
                entered.TrySetResult();
                release.Wait();
                DatagramScript.Echo(datagrams, sender);
            });
        using var client = server.Connect();
        client.Send([5]);
        await entered.Task.DefaultTimeout();

        var stop = server.StopAsync();
        Assert.False(stop.IsCompleted);
        release.Set();

        Assert.Equal([5], DatagramServer.Receive(client));
        await stop;
    }
}
