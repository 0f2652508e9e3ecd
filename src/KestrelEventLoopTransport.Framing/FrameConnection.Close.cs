using KestrelEventLoopTransport.Framing.Connections;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Framing;

// The end of a connection: bytes that were taken are sent, but not without a limit of time.
//
// CloseTimeout counts from the moment when the connection begins to close and bytes may still have to be sent.
// ConnectionTimer compares it with how long the flush of FrameOutput has been waiting for the peer. After
// OnDisconnectedAsync, bytes may be left in the transport's own buffer. They get the same time again, during which only
// a weak reference keeps the connection.
public sealed partial class FrameConnection
{
    // The buffer of any socket has room for so few bytes.
    private const int MaxUnnoticedBytes = 4096;

    private async Task DrainAsync()
    {
        var drained = _output.CloseAsync();
        if (!drained.IsCompleted)
        {
            _timer.StartClosing();
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

    private void EndClosing()
    {
        if (_endpoint.Options.CloseTimeout is { } timeout && _output.SentBytes > MaxUnnoticedBytes && !_aborted)
        {
            _timers.AddAfter(new UnsentTimer(_connection, timeout), timeout);
        }
    }
}
