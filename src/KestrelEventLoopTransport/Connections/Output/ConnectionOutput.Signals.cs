namespace KestrelEventLoopTransport.Connections.Output;

// What the loop, the reader, the supervisor and a closing connection tell the sender.
internal sealed partial class ConnectionOutput
{
    // Milliseconds.
    private const int StoppedFlushDelay = 20;

    /// <summary>Whether anything was ever sent.</summary>
    internal bool HasSent => Volatile.Read(ref _sent) > 0;

    /// <summary>Whether a send found that the peer is gone.</summary>
    internal bool HasFailed => (Volatile.Read(ref _state) & Failed) != 0;

    /// <summary>Bytes arrived: the next flush is an answer to them and is not queued behind others.</summary>
    internal void OnInput()
    {
        _isPiecemeal = _flushesSinceInput > 1;
        _flushesSinceInput = 0;
    }

    /// <summary>The loop saw that the socket is writable.</summary>
    /// <param name="mayRunInline">Whether a flush that waited may complete right here.</param>
    internal void OnWritable(bool mayRunInline)
    {
        while (true)
        {
            var state = Volatile.Read(ref _state);
            var next = (state & Blocked) != 0 ? (state & ~Blocked) | Sending
                : (state & Sending) != 0 ? state | Edge
                : state;
            if (next == state)
            {
                return;
            }

            if (Interlocked.CompareExchange(ref _state, next, state) == state)
            {
                if ((state & Blocked) != 0)
                {
                    Send(mayRunInline);
                }

                return;
            }
        }
    }

    /// <summary>Sends what was deferred, if anything.</summary>
    /// <param name="mayRunInline">
    /// Whether a flush that waited may complete right here. Only where no application code is below on the stack, which
    /// might hold a lock that the flush's continuation takes: Kestrel aborts, for one, under its own.
    /// </param>
    internal void Uncork(bool mayRunInline = false)
    {
        while (true)
        {
            var state = Volatile.Read(ref _state);
            if ((state & Deferred) == 0)
            {
                return;
            }

            var sends = (state & (Sending | Blocked | Stopped)) == 0;
            var next = (state & ~Deferred) | (sends ? Sending : 0);
            if (Interlocked.CompareExchange(ref _state, next, state) == state)
            {
                if (sends)
                {
                    Send(mayRunInline);
                }

                return;
            }
        }
    }

    /// <summary>
    /// Asks for <see cref="StreamConnection.OnOutputDrained"/> once everything is sent. False: nothing is left to wait
    /// for.
    /// </summary>
    private bool BeginDrain()
    {
        while (true)
        {
            var state = Volatile.Read(ref _state);
            if ((state & (Stopped | Failed)) != 0 || (state & (Sending | Blocked | Deferred)) == 0)
            {
                return false;
            }

            if (Interlocked.CompareExchange(ref _state, state | Draining, state) == state)
            {
                return true;
            }
        }
    }

    /// <summary>
    /// No further send; unsent bytes are dropped and a parked flush is about to end. The half is released here, or by
    /// the thread that is sending.
    /// </summary>
    internal void Stop()
    {
        while (true)
        {
            var state = Volatile.Read(ref _state);
            if ((state & Stopped) != 0)
            {
                return;
            }

            var next = (state | Stopped | Sending) & ~(Deferred | Blocked);
            if (Interlocked.CompareExchange(ref _state, next, state) == state)
            {
                if ((state & Sending) == 0)
                {
                    EndSend(0);
                }

                if ((Volatile.Read(ref _state) & FlushParked) != 0)
                {
                    _ = ReleaseStoppedFlushAsync();
                }

                return;
            }
        }
    }

    /// <summary>
    /// A flush that waits when the connection is aborted completes a moment later: Kestrel cancels the request after
    /// the abort, and a handler whose flush completed first would take a lost response for a sent one.
    /// </summary>
    private async Task ReleaseStoppedFlushAsync()
    {
        await Task.Delay(StoppedFlushDelay).ConfigureAwait(false);
        ReleaseFlush(0);
    }

    /// <summary>Runs what was queued: deferred flushes, the completion of a parked flush.</summary>
    void IThreadPoolWorkItem.Execute()
    {
        if (_connection.Loop.MovesToPool(this))
        {
            return;
        }

        var state = Interlocked.And(ref _state, ~(Queued | FlushReady));
        if ((state & Deferred) != 0)
        {
            Uncork(mayRunInline: true);
        }

        if ((state & FlushReady) != 0)
        {
            CompleteFlush();
        }
    }
}
