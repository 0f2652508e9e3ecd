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
            await TheRestOfAFlushIsCountedBeforeTheEndAsync(scheduling);
            await AFlushThatIsStoppedCountsBeforeTheEndAsync(scheduling);
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

    private static async Task TheRestOfAFlushIsCountedBeforeTheEndAsync(ApplicationScheduling scheduling)
    {
        // Eight batches of 32 are one flush.
        const int Flush = 256;
        const int Rest = 44;
        var fail = Marshal.GetDelegateForFunctionPointer<FailSends>(TestLibc.GetExport("fail_sends"));
        var hasFlushed = Signal.New();
        using var release = new ManualResetEventSlim();
        await using var server = await DatagramServer.StartAsync(scheduling, static (_, _) => { }, loops: 1);
        using var client = server.Connect();
        var address = DatagramAddress.FromEndPoint((IPEndPoint)client.LocalEndPoint!);
        var endpoint = server.Endpoint;
        Task stopped;
        try
        {
            fail(EAGAIN);
            for (var i = 0; i < Flush + Rest; i++)
            {
                Assert.Equal(DatagramSendStatus.Queued, endpoint.Sender.Send([1], address).Status);
            }

            endpoint.Loop.Post(new WorkItem(KeepLoop));
            fail(0);
            await hasFlushed.Task.DefaultTimeout();
            stopped = endpoint.StopAsync();
            Assert.False(stopped.IsCompleted);
        }
        finally
        {
            fail(0);
            release.Set();
        }

        await stopped.DefaultTimeout();
        Assert.Equal((Flush, Rest), (endpoint.SentDatagrams, endpoint.DroppedSends));

        // Is posted again in each turn. So it is in front of the rest of the flush that the turn's timer begins.
        void KeepLoop()
        {
            if (endpoint.SentDatagrams == 0)
            {
                endpoint.Loop.Post(new WorkItem(KeepLoop));
                return;
            }

            hasFlushed.TrySetResult();
            release.Wait();
        }
    }

    private static async Task AFlushThatIsStoppedCountsBeforeTheEndAsync(ApplicationScheduling scheduling)
    {
        var fail = Marshal.GetDelegateForFunctionPointer<FailSends>(TestLibc.GetExport("fail_sends"));
        var hold = Marshal.GetDelegateForFunctionPointer<HoldBatches>(TestLibc.GetExport("hold_batches"));
        var held = Marshal.GetDelegateForFunctionPointer<CountHeld>(TestLibc.GetExport("held_batches"));
        var callAtClose = Marshal.GetDelegateForFunctionPointer<CallAtClose>(TestLibc.GetExport("call_at_close"));
        await using var server = await DatagramServer.StartAsync(scheduling, static (_, _) => { });
        using var client = server.Connect();
        var address = DatagramAddress.FromEndPoint((IPEndPoint)client.LocalEndPoint!);
        var endpoint = server.Endpoint;
        var drops = new ConcurrentQueue<long>();
        Action onClose = () => drops.Enqueue(endpoint.DroppedSends);
        fail(EAGAIN);
        hold(1);
        callAtClose(Marshal.GetFunctionPointerForDelegate(onClose));
        try
        {
            var sending = Task.Factory.StartNew(
                () => endpoint.Sender.Send([1], address),
                CancellationToken.None,
                TaskCreationOptions.LongRunning,
                TaskScheduler.Default);
            await Poll.UntilAsync(() => held() == 1);
            var stopped = endpoint.StopAsync();
            Assert.False(stopped.IsCompleted);
            hold(0);
            await stopped.DefaultTimeout();
            Assert.Equal(DatagramSendStatus.Queued, (await sending.DefaultTimeout()).Status);
        }
        finally
        {
            hold(0);
            fail(0);
            callAtClose(0);
            GC.KeepAlive(onClose);
        }

        Assert.Equal([1], drops);
    }

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    private delegate void FailSends(int error);

    private delegate void HoldBatches(int on);

    private delegate int CountHeld();

    private delegate void CallAtClose(nint function);
}
