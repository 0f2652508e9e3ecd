using System.Buffers;
using System.IO.Pipelines;
using System.Net.Sockets;
using KestrelEventLoopTransport.Framing.Connections;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;

namespace KestrelEventLoopTransport.Framing;

// The reading loop of a connection, and its callbacks.
//
// RunAsync is the connection's whole life: connected, frames, drained, disconnected. CallbackTurn says whose callbacks may
// run: the loop's, or those of ticks and wakes. FrameOutput says who may use the PipeWriter. The loop never waits for the
// peer while it has the turn: neither for frames nor for room to write.
//
// _closing is only ever set, by anyone. _error is the first thing that went wrong, set by who finds it. _connected is set
// by the loop, before the first tick or wake can run. _faulted is set once the application's fault has been logged.
public sealed partial class FrameConnection
{
    private readonly FrameEndpoint _endpoint;
    private readonly PipeReader _input;
    private readonly FrameReader _reader;
    private readonly FrameOutput _output;
    private readonly CallbackTurn _turn;
    private volatile bool _closing;
    private bool _connected;
    private int _faulted;
    private Exception? _error;

    internal FrameConnection(ConnectionContext connection, FrameEndpoint endpoint)
    {
        var framing = connection.GetFraming();
        _connection = connection;
        _endpoint = endpoint;
        _input = connection.Transport.Input;
        _reader = framing.Reader;
        _output = new FrameOutput(connection.Transport.Output, framing.Codec, endpoint.Options.MaxQueuedBytes);
        _turn = new CallbackTurn(this);
    }

    internal async Task RunAsync()
    {
        await _turn.EnterAsync().ConfigureAwait(false);
        _connected = await CallAsync(
            nameof(FrameHandler.OnConnectedAsync), static c => c._endpoint.Handler.OnConnectedAsync(c))
            .ConfigureAwait(false);
        _turn.Leave();

        var closeRequested =
            _connection.Features.Get<IConnectionLifetimeNotificationFeature>()?.ConnectionClosedRequested ?? default;
        using (closeRequested.UnsafeRegister(static connection => ((FrameConnection)connection!).Close(), this))
        using (StartTicking())
        {
            await ReadAsync().ConfigureAwait(false);
            _closing = true;
            var unsent = await _output.CloseAsync().ConfigureAwait(false);
            Interlocked.CompareExchange(ref _error, unsent, null);
        }

        // For good: no tick or wake can run any more.
        await _turn.EnterAsync().ConfigureAwait(false);
        await CallAsync(
            nameof(FrameHandler.OnDisconnectedAsync), static c => c._endpoint.Handler.OnDisconnectedAsync(c, c._error))
            .ConfigureAwait(false);
    }

    internal ValueTask<bool> CallWakeAsync()
        => _connected ? CallAsync(nameof(FrameHandler.OnWakeAsync), static c => c._endpoint.Handler.OnWakeAsync(c)) : default;

    internal ValueTask<bool> CallTickAsync()
        => _connected ? CallAsync(nameof(FrameHandler.OnTickAsync), static c => c._endpoint.Handler.OnTickAsync(c)) : default;

    private ITimer? StartTicking()
        => _endpoint.Options.TickInterval is { } interval
            ? _endpoint.Time.CreateTimer(
                static connection => ((FrameConnection)connection!)._turn.Ask(CallbackTurn.Ticked), this, interval, interval)
            : null;

    /// <summary>Delivers frames until there are no more, or the connection is to be closed.</summary>
    private async Task ReadAsync()
    {
        try
        {
            while (!_closing && await _reader.WaitToReadAsync().ConfigureAwait(false))
            {
                await _turn.EnterAsync().ConfigureAwait(false);
                var sent = await DeliverAsync().ConfigureAwait(false);
                _turn.Leave();

                // Back-pressure. If sending fails, there may still be frames to read.
                if (!sent.IsCompleted)
                {
                    await sent.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                }
            }
        }
        catch (OperationCanceledException) when (_closing)
        {
        }
        catch (Exception exception)
        {
            Fail("reading", exception, isPeers: exception is IOException or SocketException or OperationCanceledException);
        }
    }

    /// <summary>Delivers the frames that have arrived together, or until much was written. Does not throw.</summary>
    /// <returns>What was written: completes when the peer is ready for more.</returns>
    private async ValueTask<Task> DeliverAsync()
    {
        _output.BeginDirect();
        try
        {
            while (!_closing && _reader.TryRead(out var frame))
            {
                var handled = Handle(frame);
                if (handled.IsCompletedSuccessfully)
                {
                    handled.GetAwaiter().GetResult();
                }
                else
                {
                    await FinishAsync(nameof(FrameHandler.OnFrameAsync), handled).ConfigureAwait(false);
                    _output.BeginDirect();
                }
                if (_output.NeedsFlush)
                {
                    break;
                }
            }
        }
        catch (Exception exception)
        {
            Fail("reading", exception, isPeers: exception is FrameException);
        }
        return _output.EndDirect();
    }

    private ValueTask Handle(in ReadOnlySequence<byte> frame)
    {
        try
        {
            return _endpoint.Handler.OnFrameAsync(this, frame);
        }
        catch (Exception exception)
        {
            return ValueTask.FromException(exception);
        }
    }

    /// <summary>Runs a callback other than that for frames. Does not throw.</summary>
    /// <returns>Whether the callback has not thrown.</returns>
    private async ValueTask<bool> CallAsync(string name, Func<FrameConnection, ValueTask> callback)
    {
        _output.BeginDirect();
        ValueTask handled;
        try
        {
            handled = callback(this);
        }
        catch (Exception exception)
        {
            handled = ValueTask.FromException(exception);
        }
        return await FinishAsync(name, handled).ConfigureAwait(false);
    }

    /// <summary>Waits for a callback: what it wrote leaves, and others may send meanwhile. Does not throw.</summary>
    /// <returns>Whether the callback has not thrown.</returns>
    private async ValueTask<bool> FinishAsync(string name, ValueTask handled)
    {
        _ = _output.EndDirect();
        try
        {
            await handled.ConfigureAwait(false);
            return true;
        }
        catch (Exception exception)
        {
            Fail(name, exception, IsPeers(exception));
            return false;
        }
    }

    private bool IsPeers(Exception exception) => exception
        is ConnectionAbortedException
        or ConnectionResetException
        or FrameException
        or SlowPeerException
        || (exception is OperationCanceledException && _connection.ConnectionClosed.IsCancellationRequested);

    private void Fail(string where, Exception exception, bool isPeers)
    {
        Interlocked.CompareExchange(ref _error, exception, null);
        if (isPeers || Interlocked.Exchange(ref _faulted, 1) != 0)
        {
            FramingLog.ConnectionFailed(_endpoint.Logger, ConnectionId, exception);
        }
        else
        {
            FramingLog.CallbackFailed(_endpoint.Logger, ConnectionId, where, exception);
        }
        Close();
    }
}
