using System.Buffers;
using KestrelEventLoopTransport.Descriptors;
using KestrelEventLoopTransport.Loops;
using KestrelEventLoopTransport.Loops.Timers;
using KestrelEventLoopTransport.Native;
using KestrelEventLoopTransport.Polling;

namespace KestrelEventLoopTransport.Connections.Lingering;

/// <summary>
/// A socket that outlives its connection for a moment. After our FIN, the client may still be sending. Closing the
/// descriptor then sends a RST, which can destroy the response before the client has read it. So the socket receives
/// and discards what arrives until the client has finished, up to a limit of time and bytes (nginx:
/// <c>lingering_close</c>; RFC 9112, 9.6).
/// </summary>
/// <remarks>
/// The socket keeps nothing of its connection alive. Its loop's thread runs it. When the loop ends, any thread closes
/// it. <see cref="DescriptorHandle"/> makes sure that the descriptor is closed once, and not during a system call.
/// </remarks>
internal sealed unsafe class LingeringSocket : LoopTimer, IPollable
{
    private const int MaxMilliseconds = 5000;

    // A client that sends more than this is not reading its response.
    private const int MaxBytes = 1024 * 1024;

    private const int ReceiveSize = 64 * 1024;

    private readonly LingeringSockets _all;
    private readonly PolledSocket _socket;

    // One reference is the socket's own, and a receive holds another.
    private DescriptorHandle _descriptor;
    private int _discarded;
    private long _end = Never;

    internal LingeringSocket(LingeringSockets all, PolledSocket socket)
        : base(socket.Loop)
    {
        _all = all;
        _socket = socket;
        _descriptor = new DescriptorHandle(socket.Fd, references: 1);
    }

    /// <summary>Sends the FIN. From now on the loop passes the descriptor's events to this object.</summary>
    internal void Start()
    {
        _ = Libc.shutdown(_descriptor.Value, Posix.SHUT_WR);

        // Before the loop knows this object, which may close at the first edge.
        _end = LoopClock.After(MaxMilliseconds);
        Loop.Replace(_socket.Token, this);

        // The connection got the edges before that, so one receive is made without an edge.
        Set(0);
        if (Loop.HasEnded)
        {
            // It may have told its pollables before this was one, and timers do not fire any more.
            Close();
        }
    }

    public void OnReady(PollEvents events)
    {
        if (!_descriptor.TryAddReference())
        {
            return;
        }

        var isOver = false;
        try
        {
            isOver = !TryDiscard();
        }
        finally
        {
            if (_descriptor.Release())
            {
                CloseDescriptor();
            }
        }

        if (isOver)
        {
            Close();
        }
    }

    public void OnLoopEnded() => Close();

    protected override long OnDue(long now)
    {
        if (now >= _end)
        {
            Close();
            return Never;
        }

        // Before the receive, which may throw for want of memory: the limit holds all the same.
        Set(_end);
        OnReady(PollEvents.None);
        if (_descriptor.IsClosing)
        {
            Cancel();
        }

        return Never;
    }

    /// <summary>
    /// Discards what has arrived. False when the socket has to close: the client has finished or is gone, or it sends
    /// too much.
    /// </summary>
    private bool TryDiscard()
    {
        var scratch = ArrayPool<byte>.Shared.Rent(ReceiveSize);
        try
        {
            fixed (byte* address = scratch)
            {
                while (_discarded < MaxBytes)
                {
                    var received = Libc.recv(_descriptor.Value, address, (nuint)scratch.Length, 0);
                    var error = received < 0 ? Errno.Last : 0;
                    if (received > 0)
                    {
                        _discarded += (int)received;
                    }
                    else if (received == 0 || !IsTransient(error))
                    {
                        return false;
                    }
                    else if (error != Errno.EINTR)
                    {
                        return true;
                    }
                }
            }

            return false;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(scratch);
        }
    }

    private bool IsTransient(int error)
    {
        if (Errno.IsShortage(error))
        {
            // The bytes are still there, but no edge will come for them.
            Set(LoopClock.After(StreamConnection.ShortageDelay));
            return true;
        }

        return error is Errno.EAGAIN or Errno.EINTR;
    }

    private void Close()
    {
        if (_descriptor.Close())
        {
            CloseDescriptor();
        }
    }

    /// <summary>Runs once, on the thread that released the last reference.</summary>
    private void CloseDescriptor()
    {
        Cancel();
        _all.Remove();
        _socket.EndPolling();
        if (_socket.CloseWaits)
        {
            // Not on a loop's thread, as close(2) blocks.
            ThreadPool.UnsafeQueueUserWorkItem(static socket => socket.Close(), _socket, preferLocal: false);
        }
        else
        {
            _socket.Close();
        }
    }
}
