using System.Buffers;
using KestrelEventLoopTransport.Framing.Connections;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Framing;

// How the callbacks are called, and what becomes of their errors.
//
// _faulted is 1 once an error of the application has been logged.
public sealed partial class FrameConnection
{
    private int _faulted;

    internal ValueTask<bool> CallWakeAsync()
        => _connected ? CallAsync(nameof(FrameHandler.OnWakeAsync), static c => c.Handler.OnWakeAsync(c)) : default;

    internal ValueTask<bool> CallTickAsync()
        => _connected ? CallAsync(nameof(FrameHandler.OnTickAsync), static c => c.TickAsync()) : default;

    private FrameHandler Handler => _endpoint.Handler;

    private async ValueTask TickAsync()
    {
        if (await Handler.OnTickAsync(this).ConfigureAwait(false) is { } next)
        {
            FrameHandlerOptions.ThrowIfNotNextTick(next);
            _timer.ChangeTick(next);
        }
    }

    private static string NameOfCallback(FrameException? invalid)
        => invalid is null ? nameof(FrameHandler.OnFrameAsync) : nameof(FrameHandler.OnInvalidFrameAsync);

    private ValueTask Handle(in ReadOnlySequence<byte> frame, FrameException? invalid)
    {
        try
        {
            return invalid is null ? Handler.OnFrameAsync(this, frame) : Handler.OnInvalidFrameAsync(this, invalid);
        }
        catch (Exception exception)
        {
            return ValueTask.FromException(exception);
        }
    }

    /// <summary>Runs a callback that is not for a frame. Does not throw.</summary>
    /// <returns>Whether the callback succeeded.</returns>
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

    /// <summary>
    /// Sends what a callback has written so far, and waits for the callback. Meanwhile other threads may send. Does not
    /// throw.
    /// </summary>
    /// <returns>Whether the callback succeeded.</returns>
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

    /// <summary>Closes the connection because of an error, and logs it. Does not throw.</summary>
    private void Fail(string where, Exception exception, bool isPeers)
    {
        if (exception is not FrameNotSentException)
        {
            Interlocked.CompareExchange(ref _error, exception, null);
        }

        // Before the log: a logger may block, or throw.
        Close();
        try
        {
            if (isPeers || Interlocked.Exchange(ref _faulted, 1) != 0)
            {
                FramingLog.ConnectionFailed(_endpoint.Logger, ConnectionId, exception);
            }
            else
            {
                FramingLog.CallbackFailed(_endpoint.Logger, ConnectionId, where, exception);
            }
        }
        catch (Exception)
        {
            // What escapes from here would keep the turn, and the connection would never end.
        }
    }
}
