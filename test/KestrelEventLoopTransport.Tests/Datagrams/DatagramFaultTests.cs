using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using KestrelEventLoopTransport.Datagrams;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.Tests.Datagrams;

/// <summary>
/// Failures of single calls, in a process whose libc makes them: interrupted calls, short batches, messages that are
/// refused in the middle of a batch.
/// </summary>
public sealed class DatagramFaultTests
{
    private const int EPERM = 1;
    private const int EINTR = 4;
    private const int EIO = 5;
    private const int EAGAIN = 11;
    private const int ENOMEM = 12;
    private const int EINVAL = 22;
    private const int ENOBUFS = 105;
    private const byte Marked = 0xEE;

    [Fact]
    public Task Calls_that_fail_in_between_lose_nothing()
        => ChildProcess.RunAsync(
            typeof(DatagramFaultTests),
            nameof(Faults_in_a_process_of_their_own),
            ("KESTREL_EVENTLOOP_POLLER", ""),
            (TestLibc.KqueueVariable, ""));

    // Ours only: it is this transport's libc that is replaced, once per process.
    [Fact(Explicit = true)]
    public async Task Faults_in_a_process_of_their_own()
    {
        TestLibc.Use("libfullsocket.so");
        AnErrorBehindAShortBatch();
        AnInterruptionInsideABatch();
        await StrangersBeforeTheConnectAsync();
        foreach (var scheduling in Enum.GetValues<ApplicationScheduling>())
        {
            await InterruptedAndShortCallsAsync(scheduling);
            await RefusedInTheMiddleAsync(scheduling);
            await RunsAsync(scheduling);
            await RunsThatAreRefusedAsync(scheduling, EIO, keepsShortOnes: false);
            await RunsThatAreRefusedAsync(scheduling, EINVAL, keepsShortOnes: true);
            await RunsThatFailForAnotherReasonAsync(scheduling, EPERM);
            await RunsThatFailForAnotherReasonAsync(scheduling, EIO);

            // As for a destination with port 0, which any peer can claim to have.
            await RunsThatFailForAnotherReasonAsync(scheduling, EINVAL);
            await RunsThatMeetAFullSocketAsync(scheduling);
        }
    }

    /// <summary>As on a system without recvmmsg: a turn that took such a batch for the last would wedge.</summary>
    private static void AnErrorBehindAShortBatch()
    {
        using var receiver = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        receiver.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        receiver.Blocking = false;
        var address = (IPEndPoint)receiver.LocalEndPoint!;
        using var sender = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        for (byte i = 0; i < 3; i++)
        {
            sender.SendTo([i], address);
        }

        var batch = new DatagramBatch(
            100, DatagramAddress.FromEndPoint(address), hasBatches: false, isCoalescing: false);
        var fd = (int)receiver.Handle;
        Call2("fail_receive_after", ENOMEM, 2);

        Assert.True(batch.Receive(fd, out var error));
        Assert.Equal((2, 0), (batch.Count, error));
        Assert.False(batch.Receive(fd, out error));
        Assert.Equal((0, ENOMEM), (batch.Count, error));
        Assert.False(batch.Receive(fd, out error));
        Assert.Equal((1, 0), (batch.Count, error));
        GC.KeepAlive(receiver);
    }

    /// <summary>The same: a batch that an interruption ended would leave datagrams for which no edge comes.</summary>
    private static void AnInterruptionInsideABatch()
    {
        using var receiver = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        receiver.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        receiver.Blocking = false;
        var address = (IPEndPoint)receiver.LocalEndPoint!;
        using var sender = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        var batch = new DatagramBatch(
            100, DatagramAddress.FromEndPoint(address), hasBatches: false, isCoalescing: false);
        foreach (var calls in (int[])[0, 1, 2])
        {
            for (byte i = 0; i < 3; i++)
            {
                sender.SendTo([i], address);
            }

            Call2("fail_receive_after", EINTR, calls);

            Assert.False(batch.Receive((int)receiver.Handle, out var error));
            Assert.Equal((3, 0), (batch.Count, error));
        }

        GC.KeepAlive(receiver);
    }

    private static async Task StrangersBeforeTheConnectAsync()
    {
        await using var server = await DatagramServer.StartAsync(ApplicationScheduling.Adaptive, DatagramScript.Echo);
        var factory = server.Services.GetRequiredService<EventLoopConnectionFactory>();
        Call("send_before_connect", 3);
        await using var client = await factory.ConnectDatagramAsync(server.EndPoint);
        Call("send_before_connect", 0);
        client.Send([1]);
        Assert.Equal([1], (await client.ReceiveAsync().AsTask().DefaultTimeout()).Payload.ToArray());
    }

    private static async Task InterruptedAndShortCallsAsync(ApplicationScheduling scheduling)
    {
        await using var server = await DatagramServer.StartAsync(scheduling, DatagramScript.Echo);
        using var client = server.Connect();
        foreach (var error in (int[])[EINTR, ENOMEM, ENOBUFS])
        {
            Call2("fail_next_receives", error, 3);
            DatagramServer.RoundTrip(client, [1]);
        }

        foreach (var error in (int[])[EINTR, EAGAIN, ENOMEM, ENOBUFS])
        {
            Call2("fail_next_sends", error, 3);
            DatagramServer.RoundTrip(client, [2]);
        }

        Call("limit_batches", 3);
        for (byte i = 0; i < 100; i++)
        {
            client.Send(Pattern.Create(i));
        }

        DatagramServer.ReceiveAll(client, Enumerable.Range(0, 100));

        Call("limit_batches", 0);
        Assert.Empty(server.Script.Errors);
        Assert.Equal(0, server.Endpoint.DroppedSends + server.Endpoint.FailedSends);
    }

    private static async Task RefusedInTheMiddleAsync(ApplicationScheduling scheduling)
    {
        var failures = 0;
        await using var server = await DatagramServer.StartAsync(
            scheduling,
            (datagrams, sender) =>
            {
                for (var i = 1; i <= 10; i++)
                {
                    sender.Reply(Pattern.Create(i), datagrams[0]);
                    failures += sender.Reply([Marked], datagrams[0]).Status == DatagramSendStatus.Failed ? 1 : 0;
                }
            });
        using var client = server.Connect();
        Call("fail_marked_sends", EPERM);

        client.Send([0]);

        DatagramServer.ReceiveAll(client, Enumerable.Range(1, 10));
        await Poll.UntilAsync(() => server.Endpoint.FailedSends == 10 && server.Endpoint.SentDatagrams == 10);
        Call("fail_marked_sends", 0);

        // The call itself gets the errors of what it sends when it is overdue.
        var address = DatagramAddress.FromEndPoint((IPEndPoint)client.LocalEndPoint!);
        await Poll.UntilAsync(() => server.Script.Errors.Count + Volatile.Read(ref failures) == 10);
        Assert.All(server.Script.Errors, error => Assert.Equal((SocketError.AccessDenied, address), error));
    }

    private static async Task RunsAsync(ApplicationScheduling scheduling)
    {
        await using var server = await StartAsync(scheduling, SegmentationTests.Lengths);
        using var client = server.Connect();
        await AskUntilAsync(client, SegmentationTests.Lengths, "count_runs");

        await using var without = await StartAsync(
            scheduling, SegmentationTests.Lengths, static options => options.SegmentationOffload = false);
        using var other = without.Connect();
        var before = Call("count_runs");
        await AskAsync(other, SegmentationTests.Lengths);
        Assert.Equal(before, Call("count_runs"));
    }

    private static async Task RunsThatAreRefusedAsync(
        ApplicationScheduling scheduling, int error, bool keepsShortOnes)
    {
        int[] lengths = [1_200, 1_200, 1_200, 0, 1_200, 1_200, 0, 1_200];
        await using var server = await StartAsync(scheduling, lengths);
        using var client = server.Connect();
        Call("fail_runs", error);
        await AskUntilAsync(client, lengths, "count_refused_runs");
        Call("fail_runs", 0);
        var before = Call("count_runs");
        await AskAsync(client, lengths);
        Assert.Equal(before, Call("count_runs"));
        Assert.Empty(server.Script.Errors);
        Assert.Equal(0, server.Endpoint.FailedSends);

        // A kernel that has refused long segments may still cut short ones.
        server.Script.Tag = new[] { 100, 100, 100 };
        if (keepsShortOnes)
        {
            await AskUntilAsync(client, [100, 100, 100], "count_runs");
        }
        else
        {
            await AskAsync(client, [100, 100, 100]);
            Assert.Equal(before, Call("count_runs"));
        }
    }

    private static async Task RunsThatFailForAnotherReasonAsync(ApplicationScheduling scheduling, int error)
    {
        await using var server = await DatagramServer.StartAsync(
            scheduling,
            static (datagrams, sender) =>
            {
                for (var i = 0; i < 10; i++)
                {
                    sender.Reply([Marked, 0], datagrams[0]);
                }

                sender.Reply([], datagrams[0]);
            });
        using var client = server.Connect();
        Call("fail_marked_sends", error);
        client.Send([0]);
        Assert.Equal([], DatagramServer.Receive(client));
        await Poll.UntilAsync(() => server.Endpoint.FailedSends == 10);
        Call("fail_marked_sends", 0);

        // That is no reason not to send runs any more.
        var before = Call("count_runs");
        await Poll.UntilAsync(() =>
        {
            client.Send([0]);
            for (var i = 0; i < 11; i++)
            {
                DatagramServer.Receive(client);
            }

            return Call("count_runs") > before;
        });
    }

    private static async Task RunsThatMeetAFullSocketAsync(ApplicationScheduling scheduling)
    {
        var lengths = Enumerable.Repeat(1_200, 100).ToArray();
        await using var server = await StartAsync(scheduling, lengths);
        using var client = server.Connect();
        client.ReceiveBufferSize = 1024 * 1024;
        Call("fail_sends", EAGAIN);
        client.Send([0]);
        await Poll.UntilAsync(() => server.Endpoint.ReceivedDatagrams == 1);
        Call("fail_runs", EIO);
        Call("fail_sends", 0);
        DatagramServer.ReceiveAll(client, lengths);
        Call("fail_runs", 0);
        Assert.Equal(0, server.Endpoint.DroppedSends + server.Endpoint.FailedSends);
    }

    private static async Task<DatagramServer> StartAsync(
        ApplicationScheduling scheduling, int[] lengths, Action<DatagramEndpointOptions>? configure = null)
    {
        DatagramServer? server = null;
        server = await DatagramServer.StartAsync(
            scheduling,
            (datagrams, sender) =>
            {
                foreach (var length in (int[]?)server!.Script.Tag ?? lengths)
                {
                    sender.Reply(Pattern.Create(length), datagrams[0]);
                }
            },
            configure);
        return server;
    }

    private static Task AskAsync(Socket client, int[] lengths)
    {
        client.ReceiveBufferSize = 1024 * 1024;
        client.Send([0]);
        return Task.Run(() => DatagramServer.ReceiveAll(client, lengths));
    }

    /// <summary>
    /// Asks again until a count has grown. A call of the handler that the machine delays sends no runs.
    /// </summary>
    private static async Task AskUntilAsync(Socket client, int[] lengths, string count)
    {
        var before = Call(count);
        await Poll.UntilAsync(async () =>
        {
            await AskAsync(client, lengths);
            return Call(count) > before;
        });
    }

    private static unsafe int Call(string function, int value = 0)
        => ((delegate* unmanaged<int, int>)TestLibc.GetExport(function))(value);

    private static unsafe void Call2(string function, int value, int count)
        => ((delegate* unmanaged<int, int, void>)TestLibc.GetExport(function))(value, count);
}
