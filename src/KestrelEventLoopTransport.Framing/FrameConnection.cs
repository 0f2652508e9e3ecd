using System.Buffers;
using System.Net;
using KestrelEventLoopTransport.Framing.Connections;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http.Features;

namespace KestrelEventLoopTransport.Framing;

/// <summary>
/// A connection of a <see cref="FrameHandler"/>. All of its methods may be called from any thread, inside and outside the
/// handler's callbacks, also when the connection is over.
/// </summary>
public sealed partial class FrameConnection
{
    private readonly ConnectionContext _connection;

    /// <summary>Identifies the connection in logs.</summary>
    public string ConnectionId => _connection.ConnectionId;

    /// <summary>The server's end. Ask for it before the connection is over.</summary>
    public EndPoint? LocalEndPoint => _connection.LocalEndPoint;

    /// <summary>The peer's end. Ask for it before the connection is over.</summary>
    public EndPoint? RemoteEndPoint => _connection.RemoteEndPoint;

    /// <summary>The connection's features: TLS, the socket and so on. Ask for them before the connection is over.</summary>
    public IFeatureCollection Features => _connection.Features;

    /// <summary>Is cancelled when the connection has ended or broken, even while a callback is running.</summary>
    public CancellationToken ConnectionClosed => _connection.ConnectionClosed;

    /// <summary>Whatever the handler wants to keep with the connection.</summary>
    public object? Context
    {
        get => Volatile.Read(ref field);
        set => Volatile.Write(ref field, value);
    }

    /// <summary>
    /// Whether the connection is over or about to be: it was closed or aborted, or the peer has ended it. Nothing that is
    /// sent from now on arrives.
    /// </summary>
    public bool IsClosing => _closing;

    /// <summary>
    /// Writes a frame, for callbacks: it leaves together with what other callbacks write for frames that arrived together,
    /// or as soon as 64 KiB have gathered. What a callback writes after its first <c>await</c> leaves at once. Nothing
    /// happens if the connection is over.
    /// </summary>
    /// <remarks>
    /// It neither waits nor fails. After <see cref="FrameHandler.OnFrameAsync"/> the peer has to take what was written
    /// before the next frames are read; elsewhere nothing limits what a slow peer makes the server keep, and
    /// <see cref="TrySend"/> is better.
    /// </remarks>
    /// <param name="frame">The frame, as a reader gets it: without prefix or delimiter. It is copied.</param>
    /// <exception cref="ArgumentException">
    /// A reader with the same codec would not get the frame back as it is. Nothing is written then.
    /// </exception>
    /// <exception cref="NotSupportedException">The codec only reads, see <see cref="FrameCodec.LengthField"/>.</exception>
    public void Write(ReadOnlySpan<byte> frame) => _output.Write(new FrameContent(frame, default));

    /// <inheritdoc cref="Write(ReadOnlySpan{byte})"/>
    /// <summary>Writes a frame that comes in two parts, as <see cref="Write(ReadOnlySpan{byte})"/> does.</summary>
    /// <param name="header">The frame's first part.</param>
    /// <param name="payload">The rest of it.</param>
    public void Write(ReadOnlySpan<byte> header, ReadOnlySpan<byte> payload) => _output.Write(new FrameContent(header, payload));

    /// <inheritdoc cref="Write(ReadOnlySpan{byte})"/>
    public void Write(in ReadOnlySequence<byte> frame) => _output.Write(new FrameContent(frame));

    /// <summary>Sends a frame now, or when earlier ones have been sent.</summary>
    /// <param name="frame">The frame, as a reader gets it: without prefix or delimiter. It is copied before this returns.</param>
    /// <returns>
    /// Completes when the transport has taken the frame, which it keeps doing until its buffer is full: not when the peer has
    /// received it. Fails with a <see cref="ConnectionAbortedException"/> if the connection ends before (under TLS, where
    /// Kestrel takes a write to a connection that has just ended as done, a moment later), and with an
    /// <see cref="InvalidOperationException"/> if <see cref="FrameHandlerOptions.MaxQueuedBytes"/> are waiting already.
    /// </returns>
    /// <exception cref="ArgumentException">As for <see cref="Write(ReadOnlySpan{byte})"/>.</exception>
    /// <exception cref="NotSupportedException">As for <see cref="Write(ReadOnlySpan{byte})"/>.</exception>
    public Task SendAsync(ReadOnlyMemory<byte> frame) => _output.SendAsync(new FrameContent(frame.Span, default));

    /// <summary>
    /// Sends a frame as <see cref="SendAsync"/> does, for those who do not wait: one that goes to many connections, say.
    /// </summary>
    /// <param name="frame">The frame, as a reader gets it: without prefix or delimiter. It is copied.</param>
    /// <returns>
    /// Whether the frame was taken; it may still not be sent. False if the connection is over
    /// (<see cref="IsClosing"/>), or if <see cref="FrameHandlerOptions.MaxQueuedBytes"/> are waiting already because the
    /// peer reads too slowly.
    /// </returns>
    /// <exception cref="ArgumentException">As for <see cref="Write(ReadOnlySpan{byte})"/>.</exception>
    /// <exception cref="NotSupportedException">As for <see cref="Write(ReadOnlySpan{byte})"/>.</exception>
    public bool TrySend(ReadOnlySpan<byte> frame) => _output.TrySend(new FrameContent(frame, default));

    /// <summary>
    /// Has <see cref="FrameHandler.OnWakeAsync"/> called soon, on the thread pool. Calls before it runs count as one; a call
    /// while it runs has it called again.
    /// </summary>
    public void Wake() => _turn.Ask(CallbackTurn.Woken);

    /// <summary>
    /// Closes the connection after everything written or sent so far has gone to the peer. No further frame is delivered;
    /// ticks go on until the transport has taken it all, so that a peer that does not read can be aborted. The transport
    /// goes on sending after <see cref="FrameHandler.OnDisconnectedAsync"/>; <see cref="Abort"/> ends that too.
    /// </summary>
    public void Close()
    {
        if (!_closing)
        {
            _closing = true;
            _input.CancelPendingRead();
        }
    }

    /// <summary>Resets the connection at once. What has not been sent is lost.</summary>
    /// <param name="reason">A sentence for the log and for <see cref="FrameHandler.OnDisconnectedAsync"/>.</param>
    public void Abort(string? reason = null)
    {
        var error = new ConnectionAbortedException(reason ?? "The connection was aborted by the application.");
        Interlocked.CompareExchange(ref _error, error, null);
        _closing = true;
        _connection.Abort(error);
    }

    /// <summary>
    /// Stops the server, as <see cref="Microsoft.Extensions.Hosting.IHostApplicationLifetime.StopApplication"/>: it accepts
    /// no more, closes all connections as <see cref="Close"/> does, and aborts those left when the host's time is up.
    /// </summary>
    /// <exception cref="InvalidOperationException">The server is not part of a host.</exception>
    public void StopServer()
        => (_endpoint.Host ?? throw new InvalidOperationException("The server is not part of a host that could be stopped."))
            .StopApplication();
}
