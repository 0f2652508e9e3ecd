using System.Buffers;
using KestrelEventLoopTransport.Loops;
using KestrelEventLoopTransport.Native;
using KestrelEventLoopTransport.Polling;

namespace KestrelEventLoopTransport.Connections.Lingering;

/// <summary>
/// A socket that outlives its connection for a moment. After our FIN a client may still be sending. Closing then
/// answers with a RST, which can destroy the response before the client has read it, so what arrives is received and
/// thrown away until the client has finished, for a while and up to a bound (nginx: <c>lingering_close</c>; RFC 9112,
/// 9.6).
/// </summary>
/// <remarks>
/// It belongs to the loop's thread from <see cref="Start"/> on, and holds nothing of the connection. When the loop
/// ends, whichever thread finds that out closes the descriptor, once.
/// </remarks>
internal sealed unsafe class LingeringSocket : IPollable, IThreadPoolWorkItem
{
    private const int Milliseconds = 5000;

    // A client that sends more than this does not look at its response.
    private const int MaxBytes = 1024 * 1024;

    private const int ReceiveSize = 64 * 1024;

    private readonly LingeringSockets _all;
    private readonly IConnectionOwner _owner;
    private readonly EventLoop _loop;
    private readonly ulong _token;
    private readonly int _fd;
    private readonly bool _mayBeShared;
    private readonly bool _closeWaits;
    private int _discarded;
    private int _closed;

    internal LingeringSocket(
        LingeringSockets all, IConnectionOwner owner, EventLoop loop, ulong token, int fd, bool mayBeShared, bool closeWaits)
    {
        _all = all;
        _owner = owner;
        _loop = loop;
        _token = token;
        _fd = fd;
        _mayBeShared = mayBeShared;
        _closeWaits = closeWaits;
    }

    /// <summary>Sends the FIN and takes the descriptor's events over.</summary>
    internal void Start()
    {
        _ = Libc.shutdown(_fd, Posix.SHUT_WR);
        _loop.Replace(_token, this);

        // Edges that came before went to the connection.
        _loop.Post(this);
    }

    public void OnReady(PollEvents events)
    {
        if (Volatile.Read(ref _closed) == 0 && !TryDiscard())
        {
            Close();
        }
    }

    public void OnLoopEnded() => Close();

    void IThreadPoolWorkItem.Execute()
    {
        if (_loop.HasEnded)
        {
            Close();
            return;
        }

        _loop.Schedule(new TimeUp(this), Milliseconds);
        OnReady(PollEvents.None);
    }

    /// <summary>
    /// False when there is nothing more to wait for: the client has finished or is gone, or sends too much.
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
                    var received = Libc.recv(_fd, address, (nuint)scratch.Length, 0);
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
            // No edge will come for what is there.
            _loop.Schedule(new LookAgain(this), StreamConnection.ShortageDelay);
            return true;
        }

        return error is Errno.EAGAIN or Errno.EINTR;
    }

    private void Close()
    {
        if (Interlocked.Exchange(ref _closed, 1) != 0)
        {
            return;
        }

        _all.Leave();
        _loop.Unregister(_token, _mayBeShared && !_loop.HasEnded ? _fd : -1);
        if (_closeWaits)
        {
            // close(2) blocks until the peer has acknowledged everything, O_NONBLOCK or not.
            ThreadPool.UnsafeQueueUserWorkItem(static socket => socket.CloseDescriptor(), this, preferLocal: false);
        }
        else
        {
            CloseDescriptor();
        }
    }

    private void CloseDescriptor()
    {
        _ = Libc.close(_fd);
        _owner.OnDescriptorClosed();
    }

    private sealed class LookAgain(LingeringSocket socket) : IThreadPoolWorkItem
    {
        public void Execute() => socket.OnReady(PollEvents.None);
    }

    private sealed class TimeUp(LingeringSocket socket) : IThreadPoolWorkItem
    {
        public void Execute() => socket.Close();
    }
}
