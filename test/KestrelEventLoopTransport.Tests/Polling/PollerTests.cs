using System.Net;
using System.Net.Sockets;
using KestrelEventLoopTransport.Polling;

namespace KestrelEventLoopTransport.Tests.Polling;

/// <summary>
/// What the loops expect of a poller, of the one that this run has: see <see cref="TestLibc.KqueueVariable"/>.
/// </summary>
public sealed partial class PollerTests : IDisposable
{
    private const ulong Token = 1;

    private readonly Poller _poller = Poller.Create();
    private readonly List<Socket> _sockets = [];

    [Fact]
    public void The_poller_is_the_one_that_was_asked_for()
    {
        Assert.Equal(
            TestLibc.KqueueLibrary is null ? nameof(EpollPoller) : nameof(KqueuePoller), _poller.GetType().Name);
        Assert.Equal(_poller is EpollPoller, Poller.ReportsUrgentData);
    }

    [Fact]
    public void A_socket_is_readable_with_bytes_and_told_once()
    {
        var (client, server) = Connect();
        _poller.Add(Fd(server), Token);
        WaitForNothing();

        client.Send(new byte[1]);
        Assert.Equal(PollEvents.Readable, WaitFor(PollEvents.Readable));
        WaitForNothing();
    }

    [Fact]
    public void A_socket_that_was_writable_before_it_was_asked_for_is_told_once()
    {
        var (_, server) = Connect();
        _poller.Add(Fd(server), Token);
        WaitForNothing();

        Assert.True(_poller.TryAddWritable(Fd(server), Token));

        Assert.Equal(PollEvents.Writable, WaitFor(PollEvents.Writable));
        WaitForNothing();
    }

    [Fact]
    public void Bytes_that_are_unread_when_output_is_asked_for_stay_told()
    {
        var (client, server) = Connect();
        _poller.Add(Fd(server), Token);
        client.Send(new byte[1]);

        _poller.TryAddWritable(Fd(server), Token);

        var events = WaitFor(PollEvents.Readable);
        Assert.True(events.HasFlag(PollEvents.Writable) || WaitFor(PollEvents.Writable) != PollEvents.None);
    }

    [Fact]
    public void A_full_socket_is_told_when_the_peer_has_read()
    {
        var (client, server) = Connect();
        _poller.Add(Fd(server), Token);
        Fill(server);
        _poller.TryAddWritable(Fd(server), Token);
        WaitForNothing();

        Drain(client);
        WaitFor(PollEvents.Writable);

        // A send that is short is enough for the next edge: no send has to fail.
        Assert.True(server.Send(new byte[100_000_000]) < 100_000_000);
        Drain(client);
        WaitFor(PollEvents.Writable);
    }

    [Fact]
    public void A_FIN_is_no_error_and_leaves_what_came_before_readable()
    {
        var (client, server) = Connect();
        _poller.Add(Fd(server), Token);
        client.Send(new byte[7]);
        client.Shutdown(SocketShutdown.Send);

        var events = WaitFor(PollEvents.PeerClosed);

        Assert.True(events.HasFlag(PollEvents.Readable));
        Assert.False(events.HasFlag(PollEvents.Error));
        Assert.Equal(7, server.Receive(new byte[10]));
        Assert.Equal(0, server.Receive(new byte[10]));
    }

    [Fact]
    public void A_reset_is_an_error_that_the_next_receive_tells()
    {
        var (client, server) = Connect();
        _poller.Add(Fd(server), Token);
        client.LingerState = new LingerOption(true, 0);
        client.Dispose();

        WaitFor(PollEvents.Error);

        var exception = Assert.Throws<SocketException>(() => server.Receive(new byte[10]));
        Assert.Equal(SocketError.ConnectionReset, exception.SocketErrorCode);
    }

    [Fact]
    public async Task A_registration_by_another_thread_reaches_a_wait_that_has_begun()
    {
        var (client, server) = Connect();
        client.Send(new byte[1]);
        var wait = Task.Factory.StartNew(
            () => WaitFor(PollEvents.Readable),
            CancellationToken.None,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default);

        // Most likely inside the wait by then; right either way.
        await Task.Delay(20);
        _poller.Add(Fd(server), Token);

        await wait.DefaultTimeout();
    }

    [Fact]
    public async Task A_wake_up_ends_a_wait_now_or_the_next_one()
    {
        _poller.Wake();
        WaitForWake();

        var wait = Task.Factory.StartNew(
            WaitForWake, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        await Task.Delay(20);
        _poller.Wake();

        await wait.DefaultTimeout();
    }

    [Fact]
    public void More_registrations_than_one_wait_takes_all_arrive()
    {
        const int Count = 600;
        for (var i = 1; i <= Count; i++)
        {
            var (client, server) = Connect();
            _poller.Add(Fd(server), (ulong)i);
            client.Send(new byte[1]);
        }

        var seen = new HashSet<ulong>();
        while (seen.Count < Count)
        {
            var count = Wait(() => $"{seen.Count} of {Count} arrived.");
            for (var i = 0; i < count; i++)
            {
                if (_poller.GetEvent(i, out var token) != PollEvents.None)
                {
                    seen.Add(token);
                }
            }
        }
    }

    // A connection may be closed before the poller has waited again, and its number may be given to the next one.
    [Fact]
    public void A_forgotten_registration_does_not_come_true_for_the_next_socket_of_that_number()
    {
        var (_, first) = Connect();
        _poller.Add(Fd(first), 100);
        _poller.TryAddWritable(Fd(first), 100);
        _poller.Forget(100);
        var number = Fd(first);
        first.Dispose();
        var (client, server) = Connect();
        for (var i = 0; i < 20 && Fd(server) != number; i++)
        {
            (client, server) = Connect();
        }

        _poller.Add(Fd(server), Token);
        client.Send(new byte[1]);

        // WaitFor fails for any other token.
        WaitFor(PollEvents.Readable);
    }

    [Fact]
    public void A_removed_descriptor_that_stays_open_is_not_told()
    {
        var (client, server) = Connect();
        _poller.Add(Fd(server), Token);
        _poller.TryAddWritable(Fd(server), Token);
        WaitFor(PollEvents.Writable);

        _poller.Remove(Fd(server));
        client.Send(new byte[1]);
        Assert.True(SpinWait.SpinUntil(() => server.Available == 1, TaskTimeoutExtensions.Default));

        Assert.Equal(0, _poller.Wait(0));

        // Nor is what would be an event for writing.
        server.Receive(new byte[1]);
        client.LingerState = new LingerOption(true, 0);
        client.Dispose();
        Assert.True(SpinWait.SpinUntil(() => server.Poll(0, SelectMode.SelectRead), TaskTimeoutExtensions.Default));

        Assert.Equal(0, _poller.Wait(0));
    }

    [Fact]
    public void Urgent_data_is_told_where_the_poller_reports_it()
    {
        var (client, server) = Connect();
        _poller.Add(Fd(server), Token);
        client.Send(new byte[1], SocketFlags.OutOfBand);
        client.Send(new byte[1]);

        Assert.Equal(
            Poller.ReportsUrgentData,
            (WaitFor(Poller.ReportsUrgentData ? PollEvents.Urgent : PollEvents.Readable) & PollEvents.Urgent) != 0);
    }

    [Fact]
    public void A_descriptor_that_is_nobodys_is_an_error()
    {
        const int Nobodys = 1 << 20;
        if (_poller is EpollPoller)
        {
            Assert.Throws<SocketException>(() => _poller.Add(Nobodys, Token));
            return;
        }

        // Told later, with the events.
        _poller.Add(Nobodys, Token);
        WaitFor(PollEvents.Error);
    }

    [Fact]
    public void HasEvents_takes_none_away()
    {
        // From here on this thread is the one that waits: its registrations wake nobody.
        Assert.Equal(0, _poller.Wait(0));
        Assert.False(_poller.HasEvents());
        var (client, server) = Connect();
        _poller.Add(Fd(server), Token);
        client.Send(new byte[1]);

        Assert.True(SpinWait.SpinUntil(_poller.HasEvents, TaskTimeoutExtensions.Default));
        WaitFor(PollEvents.Readable);
        Assert.False(_poller.HasEvents());
    }

    [Fact]
    public void After_dispose_nothing_happens()
    {
        _poller.Dispose();

        _poller.Wake();
        _poller.Dispose();
        Assert.False(_poller.HasEvents());
    }

    public void Dispose()
    {
        _poller.Dispose();
        _sockets.ForEach(static socket => socket.Dispose());
    }

    private static int Fd(Socket socket) => (int)socket.Handle;

    private (Socket Client, Socket Server) Connect()
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        _sockets.Add(client);
        client.Connect(listener.LocalEndPoint!);
        var server = listener.Accept();
        _sockets.Add(server);
        server.Blocking = false;
        return (client, server);
    }

    /// <summary>A signal to the thread ends a wait without events.</summary>
    private int Wait(Func<string> state, int? timeout = null)
    {
        var end = Environment.TickCount64 + (long)TaskTimeoutExtensions.Default.TotalMilliseconds;
        while (true)
        {
            var count = _poller.Wait(timeout ?? (int)Math.Max(end - Environment.TickCount64, 0));
            if (count > 0)
            {
                return count;
            }

            Assert.True(Environment.TickCount64 < end, state());
        }
    }

    /// <summary>All that was told of the socket until the wanted event came.</summary>
    private PollEvents WaitFor(PollEvents wanted, int? timeout = null)
    {
        var events = PollEvents.None;
        while ((events & wanted) == 0)
        {
            var count = Wait(() => $"{wanted} never came, only {events}.", timeout);
            for (var i = 0; i < count; i++)
            {
                var told = _poller.GetEvent(i, out var token);
                Assert.True(token is Token or Poller.WakeToken, $"{told} of {token}");
                events |= token == Token ? told : PollEvents.None;
            }
        }

        return events;
    }

    /// <summary>Asks more than once, because a poller may hand registrations over first.</summary>
    private void WaitForNothing()
    {
        for (var i = 0; i < 3; i++)
        {
            for (var left = _poller.Wait(0); left > 0; left--)
            {
                var told = _poller.GetEvent(left - 1, out var token);
                Assert.True(token == Poller.WakeToken, $"{told} was told.");
            }
        }
    }

    private static void Fill(Socket socket)
    {
        var bytes = new byte[1_000_000];
        do
        {
            while (socket.Send(bytes, SocketFlags.None, out var error) >= 0 && error == SocketError.Success)
            {
            }

            // On a busy machine the kernel moves bytes to the peer a little later.
            Thread.Sleep(20);
        }
        while (socket.Poll(0, SelectMode.SelectWrite));
    }

    private static void Drain(Socket socket)
    {
        var bytes = new byte[1_000_000];
        while (socket.Poll(50_000, SelectMode.SelectRead) && socket.Receive(bytes) > 0)
        {
        }
    }

    private void WaitForWake()
    {
        Assert.Equal(1, Wait(static () => "The wake-up never came."));
        Assert.Equal(PollEvents.None, _poller.GetEvent(0, out var token) & PollEvents.Writable);
        Assert.Equal(Poller.WakeToken, token);
        Assert.Equal(0, _poller.Wait(0));
    }
}
