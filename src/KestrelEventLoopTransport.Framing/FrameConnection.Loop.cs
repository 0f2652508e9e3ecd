using System.Buffers;
using System.IO.Pipelines;
using System.Net.Sockets;
using KestrelEventLoopTransport.Framing.Connections;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;

namespace KestrelEventLoopTransport.Framing;

// The reading loop of a connection.
//
// RunAsync is the connection's whole life: connected, frames, drained, disconnected. CallbackTurn decides which
// callbacks may run: those of the loop, or ticks and wakes. FrameOutput decides which thread may use the PipeWriter.
// ConnectionTimer asks for ticks and ends the connection when a time-out has passed.
// The loop does not wait for the peer while it has the turn, neither for frames nor for room to write.
//
// Any thread may set _endsReading, and none clears it: no further frame is delivered. The loop sets it late, so until
// then it says that the server ends the connection. _error is the first failure.
// The loop sets _connected before the first tick or wake can run. Only the loop uses _maySwitch, _peerFinished and
// _invalid.
public sealed partial class FrameConnection
{
    private readonly FrameEndpoint _endpoint;
    private readonly PipeReader _input;
    private readonly FrameReader _reader;
    private readonly FrameOutput _output;
    private readonly CallbackTurn _turn;
    private readonly FrameTimers _timers;
    private volatile bool _endsReading;
    private bool _connected;
    private bool _maySwitch;
    private bool _peerFinished;
    private Exception? _error;
    private FrameException? _invalid;

    internal FrameConnection(ConnectionContext connection, FrameEndpoint endpoint)
    {
        var framing = connection.GetFraming();
        _connection = connection;
        _endpoint = endpoint;
        _input = connection.Transport.Input;
        _reader = framing.Reader;
        _reader.ReportsDiscarded = true;
        _timers = endpoint.TimersOf(connection);
        _reader.NoteTimes(_timers.Clock, notesWaits: endpoint.Options.ReceiveIdleTimeout is not null);
        _timer = new ConnectionTimer(this, _timers, endpoint.Options);
        _output = new FrameOutput(connection.Transport.Output, framing.WriteCodec, endpoint.Options, _timer);
        _turn = new CallbackTurn(this);
    }

    internal async Task RunAsync()
    {
        await _turn.EnterAsync().ConfigureAwait(false);
        _endpoint.Add(this);
        _timer.Start();
        _maySwitch = true;
        _connected = await CallAsync(nameof(FrameHandler.OnConnectedAsync), static c => c.Handler.OnConnectedAsync(c))
            .ConfigureAwait(false);
        _maySwitch = false;
        if (_connected)
        {
            _endpoint.Opened?.Invoke(this);
        }

        _turn.Leave();

        var closeRequested =
            _connection.Features.Get<IConnectionLifetimeNotificationFeature>()?.ConnectionClosedRequested ?? default;
        using (closeRequested.UnsafeRegister(static connection => ((FrameConnection)connection!).EndReading(), this))
        {
            _timer.StartTicking();
            await ReadAsync().ConfigureAwait(false);
            await TellPeerFinishedAsync().ConfigureAwait(false);
            _endsReading = true;
            await DrainAsync().ConfigureAwait(false);
        }

        // The loop keeps the turn, so that no tick or wake runs any more.
        await _turn.EnterAsync().ConfigureAwait(false);
        _timer.End();
        _endpoint.Remove(this);
        await CallAsync(
            nameof(FrameHandler.OnDisconnectedAsync), static c => c.Handler.OnDisconnectedAsync(c, c._error))
            .ConfigureAwait(false);
        await DisposeServicesAsync().ConfigureAwait(false);
        EndClosing();
    }

    /// <summary>Delivers no further frame. What a running callback still writes is sent.</summary>
    private void EndReading()
    {
        _timer.StartClosing();
        if (!_endsReading)
        {
            _endsReading = true;
            _input.CancelPendingRead();
        }
    }

    /// <summary>Delivers frames until there are no more or the connection is closing.</summary>
    private async Task ReadAsync()
    {
        var takesTurns = !_endpoint.Options.AllowConcurrentTicks;
        try
        {
            while (!_endsReading)
            {
                try
                {
                    if (!await _reader.WaitToReadAsync().ConfigureAwait(false))
                    {
                        _peerFinished = !_endsReading;
                        break;
                    }
                }
                catch (FrameException)
                {
                    // TryRead throws it again, and DeliverAsync calls OnInvalidFrameAsync.
                }

                if (takesTurns)
                {
                    await _turn.EnterAsync().ConfigureAwait(false);
                }

                var sent = await DeliverAsync().ConfigureAwait(false);
                if (takesTurns)
                {
                    await _turn.RunDueAsync().ConfigureAwait(false);
                    _turn.Leave();
                }

                // Back-pressure. If sending fails, frames that have arrived are still delivered.
                if (!sent.IsCompleted)
                {
                    await sent.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                }
            }
        }
        catch (OperationCanceledException) when (_endsReading)
        {
        }
        catch (Exception exception)
        {
            var isPeers = exception is IOException or SocketException or OperationCanceledException;
            Fail("Reading", exception, isPeers);
        }
    }

    private async ValueTask TellPeerFinishedAsync()
    {
        if (!_peerFinished)
        {
            return;
        }

        // Before the turn: a tick or wake that has it may wait for a peer that does not read.
        _timer.StartClosing();
        var takesTurn = !_endpoint.Options.AllowConcurrentTicks;
        if (takesTurn)
        {
            await _turn.EnterAsync().ConfigureAwait(false);
        }

        if (!_endsReading)
        {
            await CallAsync(
                nameof(FrameHandler.OnPeerFinishedAsync), static c => c.Handler.OnPeerFinishedAsync(c))
                .ConfigureAwait(false);
        }

        if (takesTurn)
        {
            _turn.Leave();
        }
    }

    /// <summary>
    /// Delivers the frames that have arrived together. Stops early if the callbacks have written much. Does not throw.
    /// </summary>
    /// <returns>A task that completes when the peer has taken what was written.</returns>
    private async ValueTask<Task> DeliverAsync()
    {
        _output.BeginDirect();
        _maySwitch = true;
        try
        {
            while (!_endsReading && TryRead(out var frame, out var invalid))
            {
                var handled = Handle(frame, invalid);
                if (handled.IsCompletedSuccessfully)
                {
                    handled.GetAwaiter().GetResult();
                }
                else
                {
                    await FinishAsync(NameOfCallback(invalid), handled).ConfigureAwait(false);
                    _output.BeginDirect();
                }

                if (_invalid is not null)
                {
                    // It is not known where the next frame would begin.
                    Fail("Reading", _invalid, isPeers: true);
                }

                if (_output.NeedsFlush)
                {
                    break;
                }
            }
        }
        catch (Exception exception)
        {
            Fail("Reading", exception, isPeers: false);
        }

        _maySwitch = false;
        return _output.EndDirect();
    }

    /// <summary>Reads the next frame, or the error in its place.</summary>
    private bool TryRead(out ReadOnlySequence<byte> frame, out FrameException? invalid)
    {
        try
        {
            return _reader.TryReadNext(out frame, out invalid);
        }
        catch (FrameException exception)
        {
            frame = default;
            _invalid = invalid = exception;
            return true;
        }
    }
}
