using System.Buffers;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.TortureTests;

/// <summary>A connection that the loops have opened.</summary>
internal sealed class LoopClient(Episode episode, Conversation conversation) : TortureClient
{
    private readonly LoopDialer _dialer = new(episode, port => conversation.Port = port);
    private ConnectionContext? _connection;
    private volatile bool _isClosing;
    private bool _isOver;

    public override async Task ConnectAsync() => _connection = await _dialer.ConnectAsync(episode.Server!.EndPoint);

    public override async ValueTask<int> SendAsync(ReadOnlyMemory<byte> bytes)
    {
        if (_isOver)
        {
            throw new IOException("The connection takes no more bytes.");
        }

        // The connection may be over because the server has received these bytes, the last ones, and closed it.
        var result = await _connection!.Transport.Output.WriteAsync(bytes);
        _isOver = result.IsCompleted;
        return bytes.Length;
    }

    public override async ValueTask<int> ReceiveAsync(Memory<byte> buffer)
    {
        var input = _connection!.Transport.Input;
        while (true)
        {
            var result = await input.ReadAsync();
            var received = result.Buffer.Slice(0, Math.Min(result.Buffer.Length, buffer.Length));
            var length = (int)received.Length;
            received.CopyTo(buffer.Span);
            input.AdvanceTo(received.End);
            if (length > 0 || result.IsCompleted || _isClosing)
            {
                return _isClosing ? 0 : length;
            }

            if (!result.IsCanceled)
            {
                throw new InvalidOperationException("A read returned nothing, and is neither over nor canceled.");
            }
        }
    }

    public override void FinishSending()
        => _connection!.Features.Get<IConnectionHalfCloseFeature>()!.FinishSending();

    public override void Close()
    {
        _isClosing = true;
        _connection!.Transport.Input.CancelPendingRead();
    }

    public override void Reset() => _connection!.Abort(new ConnectionAbortedException("The torture client resets."));

    /// <summary>
    /// A close(2) resets a connection with unread bytes. Disposal sends what is left instead: for ever, if the server
    /// waits for a client that does not read any more.
    /// </summary>
    public override ValueTask DisposeAsync()
    {
        if (_isClosing && conversation.ClientReceived < conversation.Download)
        {
            Reset();
        }

        return _connection?.DisposeAsync() ?? default;
    }
}
