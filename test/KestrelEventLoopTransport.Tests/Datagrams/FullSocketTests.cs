using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace KestrelEventLoopTransport.Tests.Datagrams;

/// <summary>
/// A socket that takes no more, in a process whose libc says so: on loopback the kernel never does.
/// </summary>
public sealed class FullSocketTests
{
    private const int EAGAIN = 11;
    private const int ENOBUFS = 105;

    [Fact]
    public Task A_full_socket_delays_datagrams_drops_beyond_the_bound_and_loses_nothing_else()
        => ChildProcess.RunAsync(
            typeof(FullSocketTests),
            nameof(Full_socket_in_a_process_of_its_own),
            ("KESTREL_EVENTLOOP_POLLER", ""),
            (TestLibc.KqueueVariable, ""));

    // Ours only: it is this transport's libc that is replaced, once per process.
    [Fact(Explicit = true)]
    public async Task Full_socket_in_a_process_of_its_own()
    {
        TestLibc.Use("libfullsocket.so");
        foreach (var scheduling in Enum.GetValues<ApplicationScheduling>())
        {
            await AnswersWaitAsync(scheduling, EAGAIN);
            await AnswersWaitAsync(scheduling, ENOBUFS);
            await SendersWaitAsync(scheduling);
            await ALongDatagramWaitsAsync(scheduling);
            await ADatagramLongerThanAnyIsRefusedAsync(scheduling);
        }
    }

    private static async Task AnswersWaitAsync(ApplicationScheduling scheduling, int error)
    {
        var fail = Marshal.GetDelegateForFunctionPointer<FailSends>(TestLibc.GetExport("fail_sends"));
        await using var server = await DatagramServer.StartAsync(scheduling, DatagramScript.Echo);
        using var client = server.Connect();
        fail(error);
        try
        {
            for (byte i = 0; i < 100; i++)
            {
                client.Send([i]);
            }

            await Poll.UntilAsync(() => server.Endpoint.ReceivedDatagrams == 100);
            Assert.Equal(0, server.Endpoint.SentDatagrams);
        }
        finally
        {
            fail(0);
        }

        for (byte i = 0; i < 100; i++)
        {
            Assert.Equal([i], DatagramServer.Receive(client));
        }

        DatagramServer.RoundTrip(client, [1, 2, 3]);
        Assert.Equal(0, server.Endpoint.DroppedSends);
    }

    private static async Task SendersWaitAsync(ApplicationScheduling scheduling)
    {
        var fail = Marshal.GetDelegateForFunctionPointer<FailSends>(TestLibc.GetExport("fail_sends"));
        await using var server = await DatagramServer.StartAsync(
            scheduling, DatagramScript.Echo, static options => options.MaxSendQueueSize = 10 * 129);
        using var client = server.Connect();
        var address = DatagramAddress.FromEndPoint((IPEndPoint)client.LocalEndPoint!);
        var sender = server.Endpoint.Sender;
        Task<DatagramSendResult> waiting;
        using var cancellation = new CancellationTokenSource();
        fail(EAGAIN);
        try
        {
            for (byte i = 0; i < 10; i++)
            {
                Assert.Equal(DatagramSendStatus.Queued, sender.Send([i], address).Status);
            }

            Assert.Equal(DatagramSendStatus.Dropped, sender.Send([99], address).Status);
            waiting = sender.SendAsync(new byte[] { 10 }, address).AsTask();
            var cancelled = sender
                .SendAsync(new byte[] { 98 }, address, cancellationToken: cancellation.Token)
                .AsTask();
            await cancellation.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled);
            Assert.False(waiting.IsCompleted);
        }
        finally
        {
            fail(0);
        }

        Assert.True((await waiting.DefaultTimeout()).IsAccepted);
        for (byte i = 0; i <= 10; i++)
        {
            Assert.Equal([i], DatagramServer.Receive(client));
        }

        Assert.Equal(1, server.Endpoint.DroppedSends);

        // A stop drops what is queued, and ends what waits.
        fail(EAGAIN);
        try
        {
            while (sender.Send([1], address).IsAccepted)
            {
            }

            waiting = sender.SendAsync(new byte[] { 1 }, address).AsTask();
            await server.StopAsync();
            Assert.Equal(DatagramSendStatus.Stopped, (await waiting.DefaultTimeout()).Status);
            Assert.Equal(12, server.Endpoint.DroppedSends);
        }
        finally
        {
            fail(0);
        }
    }

    private static async Task ALongDatagramWaitsAsync(ApplicationScheduling scheduling)
    {
        var fail = Marshal.GetDelegateForFunctionPointer<FailSends>(TestLibc.GetExport("fail_sends"));
        await using var server = await DatagramServer.StartAsync(
            scheduling, static (_, _) => { }, static options => options.MaxSendQueueSize = 10 * 129);
        using var client = server.Connect();
        var address = DatagramAddress.FromEndPoint((IPEndPoint)client.LocalEndPoint!);
        var sender = server.Endpoint.Sender;
        using var cancellation = new CancellationTokenSource();
        Task<DatagramSendResult> waiting;
        fail(EAGAIN);
        try
        {
            // Less than half of the queue, and still no room for 1,200 bytes.
            Assert.Equal(DatagramSendStatus.Queued, sender.Send([1], address).Status);
            Assert.Equal(DatagramSendStatus.Queued, sender.Send([2], address).Status);
            waiting = await StartAsync(CancellationToken.None);
            var cancelled = await StartAsync(cancellation.Token);
            await cancellation.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled.DefaultTimeout());
            Assert.False(waiting.IsCompleted);
        }
        finally
        {
            fail(0);
        }

        Assert.True((await waiting.DefaultTimeout()).IsAccepted);
        Assert.Equal([1], DatagramServer.Receive(client));
        Assert.Equal([2], DatagramServer.Receive(client));
        Assert.Equal(1_200, DatagramServer.Receive(client).Length);

        // Returns when the send waits: it may not keep its thread.
        Task<Task<DatagramSendResult>> StartAsync(CancellationToken cancellationToken)
            => Task.Factory.StartNew(
                () => sender.SendAsync(new byte[1_200], address, cancellationToken: cancellationToken).AsTask(),
                CancellationToken.None,
                TaskCreationOptions.LongRunning,
                TaskScheduler.Default).DefaultTimeout();
    }

    private static async Task ADatagramLongerThanAnyIsRefusedAsync(ApplicationScheduling scheduling)
    {
        var tooLong = new DatagramSendResult(DatagramSendStatus.Failed, SocketError.MessageSize);
        var fail = Marshal.GetDelegateForFunctionPointer<FailSends>(TestLibc.GetExport("fail_sends"));
        var results = new ConcurrentQueue<DatagramSendResult>();
        await using var server = await DatagramServer.StartAsync(
            scheduling,
            (datagrams, sender) =>
            {
                results.Enqueue(sender.Reply(new byte[65_536], datagrams[0]));
                DatagramScript.Echo(datagrams, sender);
            });
        using var client = server.Connect();
        var address = DatagramAddress.FromEndPoint((IPEndPoint)client.LocalEndPoint!);
        fail(EAGAIN);
        try
        {
            Assert.Equal(DatagramSendStatus.Queued, server.Endpoint.Sender.Send([1], address).Status);
            Assert.Equal(tooLong, server.Endpoint.Sender.Send(new byte[65_536], address));
            Assert.Equal(DatagramSendStatus.Queued, server.Endpoint.Sender.Send([2], address).Status);
        }
        finally
        {
            fail(0);
        }

        Assert.Equal([1], DatagramServer.Receive(client));
        Assert.Equal([2], DatagramServer.Receive(client));
        DatagramServer.RoundTrip(client, [3]);
        Assert.Equal(tooLong, Assert.Single(results));
        Assert.Equal(2, server.Endpoint.FailedSends);
    }

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    private delegate void FailSends(int error);
}
