using System.Buffers;
using System.Net;
using KestrelEventLoopTransport.Framing.Connections;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http.Features;

namespace KestrelEventLoopTransport.Framing;

/// <summary>
/// A connection of a <see cref="FrameHandler"/>. All of its methods may be called from any thread, inside and outside
/// the handler's callbacks, also when the connection is over.
/// </summary>
public sealed partial class FrameConnection
{
    private readonly ConnectionContext _connection;
    private FrameCodec _writeCodec;
    private volatile bool _aborted;

    /// <summary>Identifies the connection in logs.</summary>
    public string ConnectionId => _connection.ConnectionId;

    /// <summary>The server's end. Ask for it before the connection is over.</summary>
    public EndPoint? LocalEndPoint => _connection.LocalEndPoint;

    /// <summary>The peer's end. Ask for it before the connection is over.</summary>
    public EndPoint? RemoteEndPoint => _connection.RemoteEndPoint;

    /// <summary>
    /// The connection's features: TLS, the socket and so on. Ask for them before the connection is over.
    /// </summary>
    public IFeatureCollection Features => _connection.Features;

    /// <summary>Is cancelled when the connection has ended or broken, even while a callback is running.</summary>
    public CancellationToken ConnectionClosed => _connection.ConnectionClosed;

    /// <summary>Whatever the handler wants to keep with the connection.</summary>
    public object? Context
    {
        get => Volatile.Read(ref field);
        set => Volatile.Write(ref field, value);
    }

    /// <summary>The endpoint that accepted the connection.</summary>
    public FrameEndpoint Endpoint => _endpoint;

    /// <summary>What frames of the peer look like.</summary>
    public FrameCodec Codec => _reader.Codec;

    /// <summary>What frames to the peer look like.</summary>
    public FrameCodec WriteCodec => Volatile.Read(ref _writeCodec);

    /// <summary>
    /// Whether the connection is over or about to be: it was closed or aborted, has broken, or the peer has ended it.
    /// Nothing that is written or sent from now on arrives.
    /// </summary>
    public bool IsClosing => _output.End is not null;

    /// <summary>
    /// Writes a frame, for callbacks: it leaves together with what other callbacks write for frames that arrived
    /// together, or as soon as 64 KiB have gathered. What a callback writes after its first <c>await</c> leaves at
    /// once. Nothing happens if the connection is over.
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
    /// <exception cref="NotSupportedException">
    /// The codec only reads, see <see cref="FrameCodec.LengthField"/>.
    /// </exception>
    public void Write(ReadOnlySpan<byte> frame) => _output.Write(new FramePayload(frame, default), WriteCodec);

    /// <inheritdoc cref="Write(ReadOnlySpan{byte})"/>
    /// <summary>Writes a frame that comes in two parts, as <see cref="Write(ReadOnlySpan{byte})"/> does.</summary>
    /// <param name="header">The frame's first part.</param>
    /// <param name="payload">The rest of it.</param>
    public void Write(ReadOnlySpan<byte> header, ReadOnlySpan<byte> payload)
        => _output.Write(new FramePayload(header, payload), WriteCodec);

    /// <inheritdoc cref="Write(ReadOnlySpan{byte})"/>
    public void Write(in ReadOnlySequence<byte> frame) => _output.Write(new FramePayload(frame), WriteCodec);

    /// <summary>
    /// Writes bytes as they are, as <see cref="Write(ReadOnlySpan{byte})"/> writes a frame: what
    /// <see cref="FrameCodec.Encode(IBufferWriter{byte}, ReadOnlySpan{byte})"/> has made, one frame or many, or what is
    /// no frame.
    /// </summary>
    /// <param name="bytes">The bytes. They are copied.</param>
    public void WriteEncoded(ReadOnlySpan<byte> bytes) => _output.Write(new FramePayload(bytes, default), codec: null);

    /// <summary>Sends a frame now, or when earlier ones have been sent.</summary>
    /// <param name="frame">
    /// The frame, as a reader gets it: without prefix or delimiter. It is copied before this returns.
    /// </param>
    /// <returns>
    /// Completes when the transport has taken the frame, which it keeps doing until its buffer is full: not when the
    /// peer has received it. Fails with a <see cref="ConnectionAbortedException"/> if the connection ends before (under
    /// TLS, where Kestrel takes a write to a connection that has just ended as done, a moment later), and with an
    /// <see cref="InvalidOperationException"/> if <see cref="FrameHandlerOptions.MaxQueuedBytes"/> are waiting already.
    /// </returns>
    /// <exception cref="ArgumentException">As for <see cref="Write(ReadOnlySpan{byte})"/>.</exception>
    /// <exception cref="NotSupportedException">As for <see cref="Write(ReadOnlySpan{byte})"/>.</exception>
    public Task SendAsync(ReadOnlyMemory<byte> frame) => _output.SendAsync(new FramePayload(frame.Span, default), WriteCodec);

    /// <summary>Sends bytes as they are, as <see cref="SendAsync"/> sends a frame.</summary>
    /// <param name="bytes">The bytes. They are copied before this returns.</param>
    /// <returns>As <see cref="SendAsync"/>.</returns>
    public Task SendEncodedAsync(ReadOnlyMemory<byte> bytes)
        => _output.SendAsync(new FramePayload(bytes.Span, default), codec: null);

    /// <summary>
    /// Sends a frame as <see cref="SendAsync"/> does, for those who do not wait: one that goes to many connections,
    /// say.
    /// </summary>
    /// <param name="frame">The frame, as a reader gets it: without prefix or delimiter. It is copied.</param>
    /// <returns>
    /// Whether the frame was taken, and if not, whether the peer reads too slowly or the connection is over.
    /// </returns>
    /// <exception cref="ArgumentException">As for <see cref="Write(ReadOnlySpan{byte})"/>.</exception>
    /// <exception cref="NotSupportedException">As for <see cref="Write(ReadOnlySpan{byte})"/>.</exception>
    public SendResult TrySend(ReadOnlySpan<byte> frame) => _output.TrySend(new FramePayload(frame, default), WriteCodec);

    /// <summary>
    /// Sends bytes as they are, as <see cref="TrySend"/> sends a frame: one that was encoded once for many connections,
    /// say.
    /// </summary>
    /// <param name="bytes">The bytes. They are copied.</param>
    /// <returns>As <see cref="TrySend"/>.</returns>
    public SendResult TrySendEncoded(ReadOnlySpan<byte> bytes)
        => _output.TrySend(new FramePayload(bytes, default), codec: null);

    /// <summary>
    /// Changes what frames look like, both of the peer and to it. The bytes behind the current frame are read with the
    /// new codec.
    /// </summary>
    /// <param name="codec">What a frame looks like from now on.</param>
    /// <exception cref="InvalidOperationException">
    /// None of <see cref="FrameHandler.OnConnectedAsync"/>, <see cref="FrameHandler.OnFrameAsync"/> and
    /// <see cref="FrameHandler.OnInvalidFrameAsync"/> is running.
    /// </exception>
    public void SwitchCodec(FrameCodec codec) => SwitchCodec(codec, codec);

    /// <inheritdoc cref="SwitchCodec(FrameCodec)"/>
    /// <param name="codec">What a frame of the peer looks like from now on.</param>
    /// <param name="writeCodec">What a frame to the peer looks like from now on.</param>
    public void SwitchCodec(FrameCodec codec, FrameCodec writeCodec)
    {
        ArgumentNullException.ThrowIfNull(codec);
        ArgumentNullException.ThrowIfNull(writeCodec);
        if (!_maySwitch)
        {
            throw new InvalidOperationException(
                "The codec can only be switched by OnConnectedAsync, OnFrameAsync and OnInvalidFrameAsync: it is not certain otherwise where the new one begins.");
        }

        _reader.Codec = codec;
        Volatile.Write(ref _writeCodec, writeCodec);
    }

    /// <summary>
    /// Has <see cref="FrameHandler.OnWakeAsync"/> called soon, by another thread. Calls before it runs count as one; a
    /// call while it runs has it called again.
    /// </summary>
    public void Wake() => _turn.Ask(TurnFlags.WakeDue);

    /// <summary>
    /// Closes the connection after everything written or sent so far has gone to the peer, or if the peer takes nothing
    /// for <see cref="FrameHandlerOptions.CloseTimeout"/>. No further frame is delivered or taken; ticks go on until
    /// the transport has taken it all. The transport goes on sending after
    /// <see cref="FrameHandler.OnDisconnectedAsync"/>, for <see cref="FrameHandlerOptions.CloseTimeout"/> again;
    /// <see cref="Abort"/> ends that too.
    /// </summary>
    public void Close()
    {
        _output.Stop();
        EndReading();
    }

    /// <summary>Resets the connection at once. What has not been sent is lost.</summary>
    /// <param name="reason">A sentence for the log and for <see cref="FrameHandler.OnDisconnectedAsync"/>.</param>
    public void Abort(string? reason = null)
    {
        var error = new ConnectionAbortedException(reason ?? "The connection was aborted by the application.");
        Interlocked.CompareExchange(ref _error, error, null);
        _output.Stop();
        _endsReading = true;
        _aborted = true;
        _connection.Abort(error);
    }
}
