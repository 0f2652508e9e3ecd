using KestrelEventLoopTransport.Connections;
using KestrelEventLoopTransport.Loops;
using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Listening;

// From an accepted descriptor to a connection on a loop. All fields but _abandoned belong to the thread that is
// accepting.
internal sealed unsafe partial class Acceptor
{
    /// <summary>
    /// Makes a connection of an accepted descriptor, or closes it. Returns whether accepting may go on.
    /// </summary>
    private bool TryAdd(int fd, ReadOnlySpan<byte> remoteAddress, ref bool added)
    {
        if (!_pauses && !_account.TryEnter())
        {
            Refuse(fd);
            return true;
        }

        try
        {
            if (Connect(fd, remoteAddress) is { } connection)
            {
                // From here on its end gives the room back.
                added = true;
                _delay = 0;
                _account.CountAccepted();
                HandOver(connection);
            }

            return true;
        }
        catch (Exception exception)
        {
            // No memory, or no room for one more descriptor in the poller.
            OnFailure(exception);
            return false;
        }
        finally
        {
            if (!_pauses && !added)
            {
                _account.Leave();
            }
        }
    }

    private void HandOver(StreamConnection connection)
    {
        Interlocked.Increment(ref _ahead);
        var isQueued = false;
        try
        {
            isQueued = TryQueue(connection);
        }
        finally
        {
            if (!isQueued)
            {
                Interlocked.Decrement(ref _ahead);
                connection.Abort();
                _ = connection.DisposeAsync().AsTask();
            }
        }
    }

    /// <summary>False when nobody will take it: the listener did not wait for a hook, or for a logger.</summary>
    private bool TryQueue(StreamConnection connection)
    {
        lock (_handingOver)
        {
            if (_abandoned)
            {
                return false;
            }

            _queue.Add(connection, this);
            return true;
        }
    }

    private StreamConnection? Connect(int fd, ReadOnlySpan<byte> remoteAddress)
    {
        EventLoop? loop = null;
        var referenced = false;
        var owned = false;
        try
        {
            if (!_settings.TryConfigureAccepted(fd, _socket.EndPoint, remoteAddress))
            {
                _account.CountRefused();
                return null;
            }

            referenced = _group.TryAddReference();
            if (!referenced)
            {
                return null;
            }

            loop = _group.Loops[_selector.Assign(new LoadBalancingContext(_group.Loads, _loop.Index, remoteAddress))];
            var connection = new StreamConnection(fd, loop, _account, _settings.Connections, remoteAddress, _localEndPoint);
            connection.Start();
            owned = true;
            return connection;
        }
        finally
        {
            if (!owned)
            {
                loop?.Load.Undo();
                if (referenced)
                {
                    _group.Release();
                }

                _settings.CloseUnused(fd);
            }
        }
    }

    /// <summary>Closes with a reset: a FIN would look like an empty answer and leave a TIME_WAIT behind.</summary>
    private void Refuse(int fd)
    {
        _account.CountRefused();
        var linger = stackalloc int[2] { 1, 0 };
        _ = Libc.setsockopt(fd, Platform.SOL_SOCKET, Platform.SO_LINGER, linger, 2 * sizeof(int));
        _ = Libc.close(fd);
        ListenerLog.ConnectionRefused(_settings.Logger, _socket.EndPoint, _settings.Options.MaxConnections!.Value);
    }
}
