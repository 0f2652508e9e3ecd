using System.Net;
using System.Net.Sockets;
using KestrelEventLoopTransport.Loops;
using KestrelEventLoopTransport.Loops.Timers;
using KestrelEventLoopTransport.Native;
using KestrelEventLoopTransport.Polling;

namespace KestrelEventLoopTransport.Dialing;

/// <summary>
/// One socket of a dial, on its way to one address. Its methods are called under the lock of the dial, if they do not
/// say otherwise.
/// </summary>
/// <param name="dial">The dial that it belongs to.</param>
/// <param name="number">Its number among the dial's attempts.</param>
/// <param name="endPoint">The address to connect to.</param>
internal sealed class ConnectAttempt(Dial dial, int number, EndPoint endPoint) : IPollable
{
    // Milliseconds until a Unix socket whose listener has no room tries again: doubled each time.
    private const int FirstRetryDelay = 1;
    private const int LongestRetryDelay = 64;

    private int _fd = -1;
    private ulong _token;
    private SocketAddress? _address;
    private int _retryDelay = FirstRetryDelay;

    internal int Number => number;

    /// <summary>Whether it has a socket.</summary>
    internal bool IsOpen => _fd >= 0;

    /// <summary>What the loop knows the socket by; 0 when it was connected at once and is not polled.</summary>
    internal ulong Token => _token;

    /// <summary>The address, as the kernel has it. Known from <see cref="Open"/> on.</summary>
    internal ReadOnlySpan<byte> Address => _address!.Buffer.Span[.._address.Size];

    /// <summary>Its own IP address, when it is connected; else empty.</summary>
    internal SocketAddressBytes LocalAddress { get; private set; }

    /// <summary>When to connect again; <see cref="DialTimes.Never"/> unless the listener had no room.</summary>
    internal long RetryAt { get; private set; } = DialTimes.Never;

    private bool IsToLoopback => endPoint is IPEndPoint target && IPAddress.IsLoopback(target.Address);

    /// <summary>
    /// Makes the socket, sets its options, runs the hook and binds it. Returns the descriptor. Not under the lock.
    /// </summary>
    /// <param name="context">What the dials of the client share.</param>
    /// <param name="caller">What the hook runs in; <see langword="null"/> for the context of this thread.</param>
    /// <exception cref="Exception">What the hook threw, or a <see cref="SocketException"/>.</exception>
    internal int Open(DialContext context, ExecutionContext? caller)
    {
        // The endpoint may be of a class of the application: nothing calls it under the lock.
        _address = endPoint.Serialize();
        var family = endPoint.AddressFamily;
        var fd = SocketCalls.Create(family switch
        {
            AddressFamily.InterNetwork => Posix.AF_INET,
            AddressFamily.InterNetworkV6 => Platform.AF_INET6,
            _ => Posix.AF_UNIX,
        });
        try
        {
            foreach (var option in context.OptionsFor(family))
            {
                option.Set(fd);
            }

            if (context.Options.ConfigureClientSocket is { } hook)
            {
                RunHook(fd, hook, caller);
            }

            if (context.Options.LocalEndPoint is { } local && family != AddressFamily.Unix)
            {
                Bind(fd, local);
            }

            return fd;
        }
        catch
        {
            context.Close(fd);
            throw;
        }
    }

    /// <summary>
    /// Begins to connect. Returns 0 when the socket is connected, and <see cref="Errno.EINPROGRESS"/> when
    /// <see cref="OnReady"/> or <see cref="RetryAt"/> goes on with it.
    /// </summary>
    /// <param name="loop">The loop that polls the socket.</param>
    /// <param name="fd">What <see cref="Open"/> has returned. It belongs to the attempt now.</param>
    internal int Connect(EventLoop loop, int fd)
    {
        _fd = fd;
        return Retry(loop);
    }

    /// <summary>Tries once more, when <see cref="RetryAt"/> has come. Returns the same.</summary>
    internal int Retry(EventLoop loop)
    {
        RetryAt = DialTimes.Never;
        var error = SocketCalls.Connect(_fd, Address);
        if (error == Errno.EINPROGRESS && dial.IsBeginning && IsToLoopback)
        {
            // The handshake over loopback is over when connect(2) returns. Then no thread is woken for it.
            error = SocketCalls.LookAtConnect(_fd, Address);
        }

        if (error == Errno.EINPROGRESS)
        {
            _token = loop.RegisterConnecting(_fd, this);
        }
        else if (error == Errno.EAGAIN && endPoint.AddressFamily == AddressFamily.Unix)
        {
            // The queue of the listener is full (connect(2)). Nothing reports that it has room again.
            RetryAt = LoopClock.Now + _retryDelay;
            _retryDelay = Math.Min(_retryDelay * 2, LongestRetryDelay);
            error = Errno.EINPROGRESS;
        }

        return error == 0 ? CheckPeer() : error;
    }

    /// <summary>The loop's thread, not under the lock.</summary>
    public void OnReady(PollEvents events) => dial.OnReady(this, events);

    /// <summary>The outcome of a connect that was in progress, as of <see cref="Connect"/>.</summary>
    internal int Finish(PollEvents events)
    {
        var error = SocketCalls.FinishConnect(_fd);
        if (error == Errno.EINPROGRESS
            && (events & (PollEvents.Error | PollEvents.HangUp | PollEvents.PeerClosed)) != 0)
        {
            // It was connected and reset before we looked.
            return Errno.ECONNRESET;
        }

        return error == 0 ? CheckPeer() : error;
    }

    /// <summary>The loop forgets the socket, and the descriptor is closed, if there still is one.</summary>
    internal void Close(EventLoop loop, DialContext context)
    {
        if (_fd < 0)
        {
            return;
        }

        if (_token != 0)
        {
            loop.Unregister(_token);
        }

        context.Close(_fd);
        _fd = -1;
        RetryAt = DialTimes.Never;
    }

    /// <summary>The descriptor belongs to the connection from here on. Returns it.</summary>
    internal int Release()
    {
        var fd = _fd;
        _fd = -1;
        return fd;
    }

    /// <summary>
    /// A TCP socket whose own port the kernel has chosen to be the one it connects to is connected to itself. Then
    /// nothing listens there.
    /// </summary>
    private int CheckPeer()
    {
        if (endPoint is not IPEndPoint target)
        {
            return 0;
        }

        LocalAddress = SocketAddressBytes.OfSocket(_fd);
        return LocalAddress.Port == target.Port && SocketCalls.IsConnectedToItself(_fd) ? Errno.ECONNREFUSED : 0;
    }

    private void RunHook(int fd, Action<ClientSocketContext> hook, ExecutionContext? caller)
    {
        var context = new ClientSocketContext(fd, endPoint);
        try
        {
            if (caller is null)
            {
                hook(context);
            }
            else
            {
                ExecutionContext.Run(caller, _ => hook(context), null);
            }
        }
        finally
        {
            context.End();
        }
    }

    private static void Bind(int fd, IPEndPoint local)
    {
        if (local.Port == 0 && Platform.IP_BIND_ADDRESS_NO_PORT != Platform.Missing)
        {
            // A kernel that does not have it (before 4.2) chooses the port now.
            _ = SocketOption.FromInt32(
                "IP_BIND_ADDRESS_NO_PORT", Posix.IPPROTO_IP, Platform.IP_BIND_ADDRESS_NO_PORT, 1).TrySet(fd);
        }

        SocketCalls.Bind(fd, local);
    }
}
