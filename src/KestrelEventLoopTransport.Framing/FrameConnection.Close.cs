using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Framing;

// The end of a connection: bytes that were taken are sent, but not without a limit of time.
//
// The close timer starts when the connection begins to close and bytes may still have to be sent. When it fires, it
// asks FrameOutput how long its flush has been waiting for the peer. After OnDisconnectedAsync, bytes may be left in
// the transport's own buffer. They get the same time again, during which only a weak reference keeps the connection.
public sealed partial class FrameConnection
{
    // The buffer of any socket has room for so few bytes.
    private const int MaxUnnoticedBytes = 4096;

    private ITimer? _closeTimer;
    private long _closingSince;
    private volatile bool _isOver;

    private async Task DrainAsync()
    {
        var drained = _output.CloseAsync();
        if (!drained.IsCompleted)
        {
            StartCloseTimer();
        }

        if (await drained.ConfigureAwait(false) is { } unsent && Volatile.Read(ref _error) is null)
        {
            Interlocked.CompareExchange(ref _error, await FindReasonAsync(unsent).ConfigureAwait(false), null);
        }
    }

    /// <summary>Goes on reading, because only the reader learns why the connection has ended.</summary>
    private async Task<Exception> FindReasonAsync(Exception unsent)
    {
        try
        {
            _reader.Release();
            using var limit = new CancellationTokenSource(
                _endpoint.Options.CloseTimeout ?? Timeout.InfiniteTimeSpan, _endpoint.Time);
            while (true)
            {
                var result = await _input.ReadAsync(limit.Token).ConfigureAwait(false);
                _input.AdvanceTo(result.Buffer.End);
                if (result.IsCompleted)
                {
                    return unsent;
                }
            }
        }
        catch (OperationCanceledException exception) when (exception is not ConnectionAbortedException)
        {
            return unsent;
        }
        catch (Exception exception)
        {
            return exception;
        }
    }

    private void StartCloseTimer()
    {
        if (_endpoint.Options.CloseTimeout is not { } timeout || Volatile.Read(ref _closeTimer) is not null)
        {
            return;
        }

        var timer = _endpoint.Time.CreateTimer(
            static connection => ((FrameConnection)connection!).OnCloseTimer(),
            this,
            Timeout.InfiniteTimeSpan,
            Timeout.InfiniteTimeSpan);
        if (Interlocked.CompareExchange(ref _closeTimer, timer, null) is not null)
        {
            timer.Dispose();
            return;
        }

        Volatile.Write(ref _closingSince, _endpoint.Time.GetTimestamp());
        timer.Change(timeout, Timeout.InfiniteTimeSpan);
        if (_isOver)
        {
            timer.Dispose();
        }
    }

    private void OnCloseTimer()
    {
        var timeout = _endpoint.Options.CloseTimeout!.Value;
        var waitsSince = _output.WaitsSince;
        var waited = waitsSince == 0
            ? TimeSpan.Zero
            : _endpoint.Time.GetElapsedTime(Math.Max(waitsSince, Volatile.Read(ref _closingSince)));
        if (waited >= timeout)
        {
            Abort($"The connection is closing, and the peer has not read for {timeout} (CloseTimeout).");
        }
        else
        {
            _closeTimer!.Change(timeout - waited, Timeout.InfiniteTimeSpan);
        }
    }

    private void EndClosing()
    {
        _isOver = true;
        Volatile.Read(ref _closeTimer)?.Dispose();
        if (_endpoint.Options.CloseTimeout is { } timeout && _output.SentBytes > MaxUnnoticedBytes && !_aborted)
        {
            _ = AbortLaterAsync(new WeakReference<ConnectionContext>(_connection), timeout, _endpoint.Time);
        }
    }

    private static async Task AbortLaterAsync(
        WeakReference<ConnectionContext> connection, TimeSpan timeout, TimeProvider time)
    {
        await Task.Delay(timeout, time).ConfigureAwait(false);
        if (connection.TryGetTarget(out var left))
        {
            left.Abort(new ConnectionAbortedException(
                $"The peer has not read all bytes within {timeout} (CloseTimeout) after the connection was closed."));
        }
    }
}
