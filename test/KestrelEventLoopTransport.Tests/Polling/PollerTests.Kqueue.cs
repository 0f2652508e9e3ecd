using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using KestrelEventLoopTransport.Native;
using KestrelEventLoopTransport.Polling;
using KestrelEventLoopTransport.Tests.Native;

namespace KestrelEventLoopTransport.Tests.Polling;

// What only a poller has that hands registrations over late. In processes of their own, whatever poller this run has.
public sealed partial class PollerTests
{
    [Theory]
    [InlineData("libkqueue.so", "macos")]
    [InlineData("libkqueue-freebsd.so", "freebsd")]
    public Task Kqueue_registrations_arrive_in_the_end(string library, string layout)
        => ChildProcess.RunAsync(
            typeof(PollerTests),
            "*",
            (Poller.Variable, "kqueue"),
            (TestLibc.KqueueVariable, library),
            (Platform.KqueueVariable, layout));

    [Fact(Explicit = true)]
    public async Task One_that_finds_no_memory_is_tried_again_after_a_pause()
    {
        const int Vain = 12;
        var (client, server) = Connect();
        client.Send(new byte[1]);
        KqueueOnLinux.Refuse(Fd(server), Vain);
        var start = Stopwatch.GetTimestamp();
        _poller.Add(Fd(server), Token);

        // Without a timeout: the poller has to wake by itself.
        var events = await Task.Factory.StartNew(
            () => WaitFor(PollEvents.Readable, timeout: -1),
            CancellationToken.None,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default)
            .DefaultTimeout();

        // Neither is the shortage an error of the socket, nor is it tried on and on.
        Assert.Equal(PollEvents.Readable, events);
        Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.FromMilliseconds((Vain - 2) * 10), TimeSpan.MaxValue);
    }

    // Those that have no event to tell: a poller that waits for one before it hands over the rest waits for ever.
    [Fact(Explicit = true)]
    public void More_than_go_in_one_call_arrive_although_the_first_have_no_events()
    {
        // From here on this thread is the one that waits: no wake-up is among the events.
        Assert.Equal(0, _poller.Wait(0));
        for (var i = 1; i <= 600; i++)
        {
            var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            _sockets.Add(listener);
            listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            listener.Listen();
            _poller.Add(Fd(listener), Token + (ulong)i);
        }

        var (client, server) = Connect();
        client.Send(new byte[1]);
        _poller.Add(Fd(server), Token);

        Assert.Equal(PollEvents.Readable, WaitFor(PollEvents.Readable));
    }

    [Fact(Explicit = true)]
    public void After_dispose_nothing_can_be_registered()
    {
        _poller.Dispose();

        Assert.Throws<ObjectDisposedException>(() => _poller.Add(Fd(Connect().Server), Token));
    }
}
