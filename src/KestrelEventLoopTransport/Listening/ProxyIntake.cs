using KestrelEventLoopTransport.Loops;
using KestrelEventLoopTransport.Native;
using KestrelEventLoopTransport.ProxyProtocol;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Listening;

/// <summary>
/// Receives the PROXY headers of accepted connections, before a loop is chosen for them. A connection whose header is
/// there already goes on at once. Others wait on the accepting loop (<see cref="ProxyHeaderReader"/>), which accepts
/// further ones meanwhile; they keep their room in the limit of connections and a reference to the loops.
/// </summary>
/// <remarks>
/// A connection without a valid header is reset. An answer in TCP's own words (FIN) would look like an empty response
/// to a client. Only a peer that closes without a byte, as health checks do, gets a FIN.
/// </remarks>
/// <param name="acceptor">Goes on with connections that have waited.</param>
/// <param name="socket">The listening socket.</param>
/// <param name="loop">The accepting loop.</param>
/// <param name="group">The loops.</param>
/// <param name="context">What the acceptors of the listener share.</param>
/// <param name="rules">What the listener expects of headers.</param>
/// <param name="limiter">Counts the connections.</param>
internal sealed class ProxyIntake(
    Acceptor acceptor,
    ListenSocket socket,
    EventLoop loop,
    EventLoopGroup group,
    ListenerContext context,
    ProxyHeaderRules rules,
    ConnectionLimiter limiter) : IProxyHeaderTarget
{
    private readonly Lock _lock = new();
    private readonly HashSet<ProxyHeaderReader> _waiting = [];
    private readonly TaskCompletionSource _emptied = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private bool _isStopped;
    private Exception? _failure;

    /// <summary>
    /// Receives the header of a new connection. True when the connection can go on: the header is there, or the peer is
    /// to have none. False when it waits for its header, and when it has been closed.
    /// </summary>
    /// <param name="fd">The accepted socket.</param>
    /// <param name="remoteAddress">The peer's address, as <c>accept(2)</c> gave it.</param>
    /// <param name="isWaiting">Becomes true when the connection waits. It keeps its room in the limit.</param>
    /// <param name="header">The header.</param>
    internal bool TryReceive(
        int fd, ReadOnlySpan<byte> remoteAddress, ref bool isWaiting, out ProxyProtocolHeader? header)
    {
        header = null;
        ProxyHeaderProblem? problem = null;
        var goesOn = false;
        try
        {
            if (!rules.Trusted.Contains(remoteAddress))
            {
                goesOn = rules.PassesUntrusted;
                if (!goesOn)
                {
                    limiter.Counts.Increment(ListenerCount.Refused);
                    problem = ProxyHeaderProblem.Untrusted;
                }

                return goesOn;
            }

            var input = new ProxyHeaderInput(rules);
            header = input.Read(fd, out problem);
            goesOn = header is not null;
            if (!goesOn && problem is null)
            {
                isWaiting = TryWait(new ProxyHeaderReader(fd, remoteAddress, input, loop, rules, this));
                problem = ProxyHeaderProblem.Stopped;
            }

            return goesOn;
        }
        finally
        {
            if (!goesOn && !isWaiting)
            {
                Close(fd, remoteAddress, problem);
            }
        }
    }

    /// <summary>
    /// Closes the connections that wait, and lets no more wait. The task completes when they are closed.
    /// </summary>
    internal Task Stop()
    {
        ProxyHeaderReader[] waiting;
        lock (_lock)
        {
            _isStopped = true;
            waiting = [.. _waiting];
        }

        if (waiting.Length == 0)
        {
            return Task.CompletedTask;
        }

        Array.ForEach(waiting, static reader => reader.Stop());
        return _emptied.Task;
    }

    /// <summary>
    /// Why a connection that had waited could not go on, if one could not since the last call: descriptors or memory
    /// are short. The accepting thread.
    /// </summary>
    internal Exception? TakeFailure()
        => Volatile.Read(ref _failure) is null ? null : Interlocked.Exchange(ref _failure, null);

    public void OnHeader(ProxyHeaderReader reader, ProxyProtocolHeader header)
    {
        var isAdded = false;
        Exception? failure = null;
        try
        {
            acceptor.AddProxied(reader.Fd, reader.RemoteAddress, header, ref isAdded);
        }
        catch (Exception exception)
        {
            // No memory, or no room for one more descriptor in the poller. The descriptor is closed.
            failure = exception;
            Report(reader.RemoteAddress, ProxyHeaderProblem.Failed(exception));
        }
        finally
        {
            EndWait(reader, isAdded, failure);
        }

        if (isAdded)
        {
            // The application may stop the listener now, and that waits for the end of all waits.
            acceptor.Announce();
        }
    }

    public void OnNoHeader(ProxyHeaderReader reader, in ProxyHeaderProblem problem)
    {
        try
        {
            Close(reader.Fd, reader.RemoteAddress, problem);
        }
        finally
        {
            EndWait(reader, isAdded: false, problem.Exception);
        }
    }

    /// <summary>A connection that has not waited could not go on. Its descriptor is closed.</summary>
    internal void OnFailed(ReadOnlySpan<byte> remoteAddress, Exception exception)
        => Report(remoteAddress, ProxyHeaderProblem.Failed(exception));

    /// <summary>False when the listener or the loops have stopped.</summary>
    private bool TryWait(ProxyHeaderReader reader)
    {
        if (!group.TryAddReference())
        {
            return false;
        }

        var isAdded = false;
        try
        {
            lock (_lock)
            {
                isAdded = !_isStopped && _waiting.Add(reader);
            }
        }
        finally
        {
            if (!isAdded)
            {
                group.Release();
            }
        }

        if (isAdded)
        {
            Start(reader);
        }

        return isAdded;
    }

    private void Start(ProxyHeaderReader reader)
    {
        try
        {
            reader.Start();
        }
        catch (Exception)
        {
            // It may have been posted in spite of the exception, and then the loop closes the descriptor.
            if (reader.TryTakeBack())
            {
                Forget(reader);
                throw;
            }
        }
    }

    private void EndWait(ProxyHeaderReader reader, bool isAdded, Exception? failure)
    {
        if (failure is not null)
        {
            // The hold belongs to the accepting thread. The next connection would fail too.
            Volatile.Write(ref _failure, failure);
        }

        try
        {
            if (!isAdded)
            {
                limiter.Leave();
                limiter.OnDescriptorClosed();
            }

            if (failure is not null)
            {
                acceptor.GoOn();
            }
        }
        finally
        {
            Forget(reader);
        }
    }

    private void Forget(ProxyHeaderReader reader)
    {
        // The listener has a reference of its own until all have ended their wait.
        group.Release();
        lock (_lock)
        {
            _waiting.Remove(reader);
            if (_isStopped && _waiting.Count == 0)
            {
                _emptied.TrySetResult();
            }
        }
    }

    private void Close(int fd, ReadOnlySpan<byte> remoteAddress, in ProxyHeaderProblem? problem)
    {
        try
        {
            if (problem is { } found)
            {
                Report(remoteAddress, found);
            }
        }
        finally
        {
            context.CloseUnused(fd, withReset: problem is not { Reason: ProxyProtocolFailure.Empty });
        }
    }

    private void Report(ReadOnlySpan<byte> remoteAddress, in ProxyHeaderProblem problem)
    {
        limiter.Counts.Increment(ListenerCount.ProxyFailures + (int)problem.Reason);
        if (context.Logger.IsEnabled(LogLevel.Debug))
        {
            ProxyProtocolLog.HeaderFailed(
                context.Logger,
                SocketAddressBytes.ToEndPoint(remoteAddress),
                socket.EndPoint,
                problem.Reason,
                problem.Text);
        }
    }
}
