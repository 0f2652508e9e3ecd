using System.Net;
using System.Net.Sockets;
using KestrelEventLoopTransport.Native;
using static KestrelEventLoopTransport.Native.Kqueue;
using static KestrelEventLoopTransport.Tests.Native.KqueueOnLinux;
using Libc = KestrelEventLoopTransport.Tests.Infrastructure.Libc;

namespace KestrelEventLoopTransport.Tests.Native;

/// <summary>
/// That the kqueue of the tests is one: what FreeBSD's kqueue(2) says and the transport's poller relies on.
/// </summary>
public sealed class KqueueOnLinuxTests : IDisposable
{
    private readonly KqueueOnLinux _queue = new();
    private readonly Socket _client;
    private readonly Socket _server;

    public KqueueOnLinuxTests()
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        _client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        _client.Connect(listener.LocalEndPoint!);
        _server = listener.Accept();
        _server.Blocking = false;
    }

    private int Server => (int)_server.Handle;

    // "The filter is executed upon the initial registration of a kevent in order to detect whether a preexisting
    // condition is present."
    [Fact]
    public void A_condition_that_holds_at_registration_is_reported()
    {
        SendAndArrive(3);
        _queue.Change(Event(Server, EVFILT_READ, EV_ADD | EV_CLEAR, token: 7));

        var entry = Assert.Single(_queue.Wait());

        Assert.Equal((nuint)Server, entry.ident);
        Assert.Equal(EVFILT_READ, entry.filter);
        Assert.Equal(7ul, entry.udata);
        Assert.Equal(3, entry.data);
        Assert.Equal(0, entry.flags & (EV_EOF | EV_ERROR));
    }

    [Fact]
    public void With_EV_CLEAR_an_event_is_told_once_until_something_new_happens()
    {
        _queue.Change(Event(Server, EVFILT_READ, EV_ADD | EV_CLEAR));
        Assert.Empty(_queue.Take());

        SendAndArrive(1);
        Assert.Single(_queue.Wait());
        Assert.Empty(_queue.Take());

        SendAndArrive(1);
        Assert.Equal(2, Assert.Single(_queue.Wait()).data);
        Assert.Empty(_queue.Take());
    }

    [Fact]
    public void Without_EV_CLEAR_it_is_told_while_the_condition_holds()
    {
        _queue.Change(Event(Server, EVFILT_READ, EV_ADD));
        SendAndArrive(1);

        Assert.Single(_queue.Wait());
        Assert.Single(_queue.Wait());
        Assert.Equal(1, _server.Receive(new byte[8]));
        Assert.Empty(_queue.Take());
    }

    // "The filter is also run when the user attempts to retrieve the kevent": what was read meanwhile is not told.
    [Fact]
    public void A_condition_that_no_longer_holds_is_not_told()
    {
        _queue.Change(Event(Server, EVFILT_READ, EV_ADD | EV_CLEAR));
        SendAndArrive(1);
        Assert.Equal(1, _server.Receive(new byte[8]));

        Assert.Empty(_queue.Take());
    }

    [Fact]
    public void Reading_and_writing_are_told_apart()
    {
        _queue.Change(
            Event(Server, EVFILT_READ, EV_ADD | EV_CLEAR, token: 1),
            Event(Server, EVFILT_WRITE, EV_ADD | EV_CLEAR, token: 2));
        var writable = Assert.Single(_queue.Wait());
        Assert.Equal((EVFILT_WRITE, 2ul), (writable.filter, writable.udata));
        Assert.True(writable.data > 0);

        // Bytes that arrive are no news for writing.
        SendAndArrive(1);
        var readable = Assert.Single(_queue.Wait());
        Assert.Equal((EVFILT_READ, 1ul), (readable.filter, readable.udata));

        FillSendBuffer();
        Assert.Empty(_queue.Take());
        while (_client.Poll(100_000, SelectMode.SelectRead))
        {
            _client.Receive(new byte[1 << 20]);
        }

        Assert.Equal(EVFILT_WRITE, Assert.Single(_queue.Wait()).filter);
    }

    // "It is possible for EOF to be returned (indicating the connection is gone) while there is still data pending."
    [Fact]
    public void A_FIN_is_EV_EOF_without_an_error_and_with_the_data_before_it()
    {
        _queue.Change(Event(Server, EVFILT_READ, EV_ADD | EV_CLEAR));
        _client.Send(new byte[5]);
        _client.Shutdown(SocketShutdown.Send);

        var entry = WaitFor(static entry => (entry.flags & EV_EOF) != 0);

        Assert.Equal(0u, entry.fflags);
        Assert.Equal(5, entry.data);
    }

    [Fact]
    public void A_reset_is_EV_EOF_of_both_directions_with_the_error_in_fflags()
    {
        _queue.Change(Event(Server, EVFILT_READ, EV_ADD | EV_CLEAR), Event(Server, EVFILT_WRITE, EV_ADD | EV_CLEAR));
        _client.LingerState = new LingerOption(true, 0);
        _client.Dispose();

        foreach (var filter in new[] { EVFILT_READ, EVFILT_WRITE })
        {
            _queue.Change(Event(Server, filter, EV_ADD | EV_CLEAR));
            Assert.NotEqual(0u, WaitFor(entry => entry.filter == filter && (entry.flags & EV_EOF) != 0).fflags);
        }

        // The error is still there for the one who receives.
        Assert.Equal(
            SocketError.ConnectionReset,
            Assert.Throws<SocketException>(() => _server.Receive(new byte[1])).SocketErrorCode);

        // And once it is taken, EV_EOF comes without.
        _queue.Change(Event(Server, EVFILT_READ, EV_ADD | EV_CLEAR));
        Assert.Equal(0u, WaitFor(static entry => (entry.flags & EV_EOF) != 0 && entry.filter == EVFILT_READ).fflags);
    }

    [Fact]
    public void A_listening_socket_is_readable_when_a_connection_waits()
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        _queue.Change(Event((int)listener.Handle, EVFILT_READ, EV_ADD | EV_CLEAR, token: 3));
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        client.Connect(listener.LocalEndPoint!);

        Assert.Equal(3ul, Assert.Single(_queue.Wait()).udata);
        _queue.Change(Event((int)listener.Handle, EVFILT_READ, EV_DELETE));
    }

    [Fact]
    public async Task A_user_event_ends_a_wait_of_another_thread_and_is_told_once()
    {
        _queue.Change(Event(0, Platform.EVFILT_USER, EV_ADD | EV_CLEAR, token: 9));
        Assert.Empty(_queue.Take());
        var wait = Task.Run(() => _queue.Wait());

        _queue.Change(Event(0, Platform.EVFILT_USER, 0, token: 9, NOTE_TRIGGER));

        var entry = Assert.Single(await wait.DefaultTimeout());
        Assert.Equal((Platform.EVFILT_USER, 9ul), (entry.filter, entry.udata));
        Assert.Empty(_queue.Take());

        // Triggered before the wait, and twice: one event.
        _queue.Change(
            Event(0, Platform.EVFILT_USER, 0, token: 9, NOTE_TRIGGER),
            Event(0, Platform.EVFILT_USER, 0, token: 9, NOTE_TRIGGER));
        Assert.Single(_queue.Wait());
        Assert.Empty(_queue.Take());
    }

    // "All changes contained in the changelist are applied before any pending events are read from the queue."
    [Fact]
    public void Changes_and_events_go_in_one_call()
    {
        SendAndArrive(1);
        var events = _queue.Call([Event(Server, EVFILT_READ, EV_ADD | EV_CLEAR, token: 4)], 8, Forever);

        Assert.Equal(4ul, Assert.Single(events).udata);
    }

    // "If an error occurs while processing an element of the changelist and there is enough room in the eventlist, then
    // the event will be placed in the eventlist with EV_ERROR set in flags and the system error in data."
    [Fact]
    public void A_change_that_fails_is_an_event_if_there_is_room_and_the_others_are_made()
    {
        SendAndArrive(1);
        kevent[] changes =
        [
            Event(Server, EVFILT_WRITE, EV_DELETE, token: 5),
            Event(1 << 20, EVFILT_READ, EV_ADD, token: 6),
            Event(Server, EVFILT_READ, EV_ADD | EV_CLEAR, token: 7),
        ];
        var failed = _queue.Call(changes, 8, Forever);

        Assert.Equal(
            [(5ul, EV_ERROR, (nint)Errno.ENOENT), (6ul, EV_ERROR, Errno.EBADF)],
            failed.Select(static entry => (entry.udata, entry.flags, entry.data)));
        Assert.Equal(7ul, Assert.Single(_queue.Wait()).udata);

        Assert.Equal(-Errno.ENOENT, _queue.Call([Event(Server, EVFILT_WRITE, EV_DELETE)], [], 0));
        Assert.Equal(-Errno.EINVAL, _queue.Call([Event(Server, filter: -99, EV_ADD)], [], 0));
    }

    // "Re-adding an existing event will modify the parameters of the original event, and not result in a duplicate."
    [Fact]
    public void Adding_again_replaces_the_token_and_looks_again()
    {
        SendAndArrive(1);
        _queue.Change(Event(Server, EVFILT_READ, EV_ADD | EV_CLEAR, token: 1));
        Assert.Single(_queue.Wait());

        _queue.Change(Event(Server, EVFILT_READ, EV_ADD | EV_CLEAR, token: 2));

        Assert.Equal(2ul, Assert.Single(_queue.Wait()).udata);
        Assert.Empty(_queue.Take());
    }

    [Fact]
    public void A_deleted_event_is_not_told()
    {
        _queue.Change(Event(Server, EVFILT_READ, EV_ADD | EV_CLEAR));
        SendAndArrive(1);
        _queue.Change(Event(Server, EVFILT_READ, EV_DELETE));

        Assert.Empty(_queue.Take());
    }

    // "Calling close() on a file descriptor will remove any kevents that reference the descriptor", also when the
    // socket lives on under another number.
    [Fact]
    public void Closing_a_descriptor_removes_its_events()
    {
        var duplicate = Libc.dup(Server);
        _queue.Change(Event(duplicate, EVFILT_READ, EV_ADD | EV_CLEAR));
        Assert.Equal(0, Close(duplicate));

        SendAndArrive(1);

        Assert.Empty(_queue.Take());
    }

    [Fact]
    public void A_wait_ends_at_its_timeout_and_an_event_list_of_none_at_once()
    {
        Assert.Empty(_queue.Wait(milliseconds: 20));
        Assert.Equal(0, _queue.Call([], [], Forever));
    }

    public void Dispose()
    {
        _queue.Dispose();
        _client.Dispose();
        _server.Dispose();
    }

    private kevent WaitFor(Func<kevent, bool> condition)
    {
        while (true)
        {
            var events = _queue.Wait(milliseconds: (int)TaskTimeoutExtensions.Default.TotalMilliseconds);
            Assert.NotEmpty(events);
            if (events.Any(condition))
            {
                return events.First(condition);
            }
        }
    }

    private void SendAndArrive(int count)
    {
        var before = _server.Available;
        _client.Send(new byte[count]);
        Assert.True(SpinWait.SpinUntil(() => _server.Available == before + count, TaskTimeoutExtensions.Default));
    }

    private void FillSendBuffer()
    {
        // Full for good: what is on its way still has to come to rest.
        var chunk = new byte[1 << 16];
        for (var full = 0; full < 3;)
        {
            _server.Send(chunk, SocketFlags.None, out var error);
            if (error == SocketError.WouldBlock)
            {
                full++;
                Thread.Sleep(20);
            }
            else
            {
                full = 0;
            }
        }

        _queue.Take();
    }
}
